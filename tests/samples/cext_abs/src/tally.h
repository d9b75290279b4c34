#ifndef TALLY_H
#define TALLY_H

#include <stddef.h>

long tally(const long *values, size_t count);

#endif
