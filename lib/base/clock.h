/*
 * clock: the one that nobody sets, for limits of time.
 */
#ifndef POSTERN_CLOCK_H
#define POSTERN_CLOCK_H

#include <stdint.h>

/* Milliseconds since the system started, time asleep included. */
int64_t clock_ms(void);

#endif
