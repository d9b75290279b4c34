/* What is linked into a program besides freezer's own code, as a text in it that the bill of materials is made from. */

#ifndef FREEZER_PARTS_H
#define FREEZER_PARTS_H

#define PARTS_QUOTED_(text) #text
#define PARTS_QUOTED(text) PARTS_QUOTED_(text)

/* musl has no macro of its version, nor of itself. */
#ifdef __GLIBC__
#define PARTS_LIBC "glibc=" PARTS_QUOTED(__GLIBC__) "." PARTS_QUOTED(__GLIBC_MINOR__)
#else
#define PARTS_LIBC "musl="
#endif

#define PARTS_MARK "@freezer:parts "

#endif
