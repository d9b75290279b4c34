/* Memory of the interpreter's: held back from the system, or placed for a snapshot. */
#ifndef ARENAS_H
#define ARENAS_H

/* Makes Python keep one piece of a thread's stack of calls that it would give back. Before Python is initialised. */
void keep_stack_pieces(void);

/* Has arenas, and the heap, placed where a snapshot of this process can have huge pages. */
void place_arenas(void);

#endif
