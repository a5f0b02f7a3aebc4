/* The two pipes of the keeper's: its frames arrive as packets of a completion port, in which all waiting is done. */
#ifndef COPPICE_CHANNEL_H
#define COPPICE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <windows.h>

#include "frame.h"

/* What a packet of the port is about. */
enum packet { PACKET_BYTES = 1, PACKET_JOB = 2, PACKET_ROOT = 3, PACKET_SUPERVISOR = 4 };

/*
 * Reads `control` in a thread of its own: each packet PACKET_BYTES brings so many bytes, in memory that is the
 * receiver's to free; the one without any is the end. False where there is no thread.
 */
bool channel_read(HANDLE control, HANDLE port);

/* Sends a packet when this process has ended, or this event is set. False where nobody can wait for it. */
bool channel_watch(HANDLE awaited, HANDLE port, enum packet packet);

/* Writes the whole message; where nobody reads it any more, nothing. */
void channel_write(HANDLE report, struct message *message);

#endif
