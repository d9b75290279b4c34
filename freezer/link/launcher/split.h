/* Splits process 1 into an init and the application. Used by the launcher and by start.so, so it needs no header of a C
   library. */
#ifndef SPLIT_H
#define SPLIT_H

/* The name of the init program in a tree, and of its process. */
#define INIT_NAME "freezer-init"
/* What start.so tells that program: the application's process, and "s" if both get the terminal's signals. */
#define INIT_VARIABLE "_FREEZER_INIT="

/* Bytes of a sigset_t, in every C library. */
#define SET_SIZE 128

/* Makes a set of all signals. C libraries have a function for that, which leaves out those that they use themselves:
   musl the first of the realtime signals, too, as glibc and everybody else counts them. */
static inline void fill_set(char *set)
{
    for (int i = 0; i < SET_SIZE; i++)
        ((volatile char *)set)[i] = (char)0xff;
}

struct split {
    int child;  /* in the init: the application's process */
    int shared; /* in the init: whether the terminal sends its signals to both */
};

enum split_role { ALONE, APPLICATION, INIT };

/* Splits this process. Returns the role of the caller; ALONE if the system permits no further process. In the init, all
   signals are blocked then. The application has the state of this process, but another number. */
enum split_role split(struct split *made, char **environment);

#endif
