/* A dynamic loader, as the kernel loads it. */
#ifndef LOADER_H
#define LOADER_H

/* A kind and a value of the auxiliary vector. */
struct auxiliary {
    unsigned long kind, value;
};

/* Returns the name of the program's own dynamic loader: the text behind the interpreter's name in the program, which is
   a name in the same directory. NULL if there is none. ``vector`` is the auxiliary vector. */
const char *loader_name(const struct auxiliary *vector);

/* Loads it, and tells the vector its place. Returns its first instruction's address; 0 if it cannot be loaded. */
unsigned long loader_load(const char *name, struct auxiliary *vector);

#endif
