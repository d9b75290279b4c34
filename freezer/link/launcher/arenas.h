/* Memory of the interpreter's, held back from the system. */
#ifndef ARENAS_H
#define ARENAS_H

/* Makes Python keep one piece of a thread's stack of calls that it would give back. Before Python is initialised. */
void keep_stack_pieces(void);

#endif
