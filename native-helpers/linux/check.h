/* The parser by itself, for tests that give it what nobody would send. */
#ifndef COPPICE_CHECK_H
#define COPPICE_CHECK_H

/* Answers each frame that arrives with FRAME_REFUSED: its text is empty where a tree would have been launched. */
int check_requests(int control);

#endif
