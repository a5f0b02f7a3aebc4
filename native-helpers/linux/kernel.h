/* What the kernel can do, found out by asking it: versions say little, since features are backported and filtered. */
#ifndef COPPICE_KERNEL_H
#define COPPICE_KERNEL_H

/* The names of what is missing, a line each; nothing where all is there. */
void kernel_print_missing(void);

#endif
