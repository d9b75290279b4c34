/* The init that process 1 becomes. */
#ifndef INIT_H
#define INIT_H

#include "split.h"

/* Closes the descriptors from one number to another; without end if that is negative. */
void close_files(int from, int to);

/* Serves as the init of an application until that ends, and then ends with its status. All signals are blocked. */
_Noreturn void init_stay(const struct split *split);

#endif
