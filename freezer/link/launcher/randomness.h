/* The kernel's random numbers, in a process that is to be saved. */
#ifndef RANDOMNESS_H
#define RANDOMNESS_H

/* Has random numbers drawn by system calls from now on. */
void draw_by_calls(void);

#endif
