/* A product of two words divided by a third: 128 bits in between, which Cython has no type for. */
#ifndef FSM_WIDE_H
#define FSM_WIDE_H

#include "fsm/layout.h"

typedef __int128 fsm_int128;

/* *result = b * c / divisor, rounded by mode. Out of line: its registers would burden the loop that calls it. */
static __attribute__((noinline)) int fsm_divide_wide(
    int64_t b, int64_t c, int64_t divisor, unsigned mode, int64_t *result)
{
    if (divisor == 0) return FSM_DIVISION;
    fsm_int128 dividend = (fsm_int128)b * c;
    fsm_int128 quotient = dividend / divisor, remainder = dividend % divisor;
    if (remainder != 0) {
        int negative = (remainder < 0) != (divisor < 0), away;
        fsm_int128 size = divisor < 0 ? -(fsm_int128)divisor : divisor;
        fsm_int128 half = 2 * (remainder < 0 ? -remainder : remainder) - size;
        switch (mode) {
        case FSM_ROUND_DOWN: away = 0; break;
        case FSM_ROUND_UP: away = 1; break;
        case FSM_ROUND_FLOOR: away = negative; break;
        case FSM_ROUND_CEILING: away = !negative; break;
        case FSM_ROUND_HALF_EVEN: away = half > 0 || (half == 0 && (quotient & 1)); break;
        case FSM_ROUND_HALF_UP: away = half >= 0; break;
        default: away = half > 0; break; /* FSM_ROUND_HALF_DOWN */
        }
        if (away) quotient += negative ? -1 : 1;
    }
    if (quotient > INT64_MAX || quotient < INT64_MIN) return FSM_OVERFLOW;
    *result = (int64_t)quotient;
    return FSM_ACCEPTED;
}

#endif
