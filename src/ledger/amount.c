// Amounts between text and grains, in whole numbers all the way.
#include "ledger/amount.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ledger/tx.h"

#define SOT_DIGITS 6 // behind the point
#define SMALL_GRAINS (GRAINS_PER_SOT / 1000)

_Static_assert(GRAINS_PER_SOT == 1000000, "SOT_DIGITS is its logarithm");
_Static_assert(GRAINS_MAX < UINT64_MAX / 10 - 9, "one more digit is seen before it overflows");

// Reads digits, at least one, onto *value. False: none, or more than GRAINS_MAX.
static bool take_digits(uint64_t *value, const char **text, size_t *count, enum err *err) {
    *count = 0;
    while (**text >= '0' && **text <= '9') {
        *value = *value * 10 + (uint64_t)(**text - '0');
        if (*value > GRAINS_MAX) {
            *err = ERR_TOO_LONG;
            return false;
        }
        (*text)++;
        (*count)++;
    }
    return *count > 0;
}

static enum err finish_sot(uint64_t *grains, uint64_t value, size_t decimals) {
    for (; decimals < SOT_DIGITS; decimals++) {
        value *= 10;
        if (value > GRAINS_MAX) {
            return ERR_TOO_LONG;
        }
    }
    *grains = value;
    return OK;
}

enum err amount_parse(uint64_t *grains, const char *text) {
    uint64_t value = 0;
    size_t whole;
    size_t decimals = 0;
    enum err err = ERR_MALFORMED;
    if (!take_digits(&value, &text, &whole, &err)) {
        return err;
    }
    bool has_point = *text == '.';
    if (has_point) {
        text++;
        if (!take_digits(&value, &text, &decimals, &err)) {
            return err;
        }
    }
    text += *text == ' ';
    if (strcmp(text, "SOT") == 0) {
        return decimals <= SOT_DIGITS ? finish_sot(grains, value, decimals) : ERR_MALFORMED;
    }
    if (has_point || (strcmp(text, "grains") != 0 && strcmp(text, "grain") != 0)) {
        return ERR_MALFORMED;
    }
    *grains = value;
    return OK;
}

void amount_format(char out[static AMOUNT_TEXT_MAX], uint64_t grains) {
    if (grains > 0 && grains < SMALL_GRAINS) {
        snprintf(out, AMOUNT_TEXT_MAX, "%" PRIu64 " grain%s", grains, grains == 1 ? "" : "s");
        return;
    }
    uint64_t fraction = grains % GRAINS_PER_SOT;
    int decimals = fraction == 0 ? 0 : SOT_DIGITS;
    while (fraction != 0 && fraction % 10 == 0) {
        fraction /= 10;
        decimals--;
    }
    if (decimals == 0) {
        snprintf(out, AMOUNT_TEXT_MAX, "%" PRIu64 " SOT", grains / GRAINS_PER_SOT);
    } else {
        snprintf(out, AMOUNT_TEXT_MAX, "%" PRIu64 ".%0*" PRIu64 " SOT", grains / GRAINS_PER_SOT, decimals, fraction);
    }
}
