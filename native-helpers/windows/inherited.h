#ifndef INHERITED_H
#define INHERITED_H

#include <stddef.h>
#include <windows.h>

/*
 * Closes every file and pipe that this process was given by inheritance, but for these, its own stdio and its working
 * directory. Node hands a child whatever may be inherited at that moment, also the pipes of a child that another of its
 * threads is starting: held here they would have no end for as long as the tree lives.
 */
void inherited_close_but(const HANDLE *kept, size_t count);

#endif
