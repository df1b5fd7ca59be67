// Amounts as people write and read them: "1.5SOT", "200 grains". One SOT is GRAINS_PER_SOT grains; nothing is rounded.
#ifndef SOTTO_LEDGER_AMOUNT_H
#define SOTTO_LEDGER_AMOUNT_H

#include "base/bytes.h"

// Of any u64, "18446744073709.551615 SOT", with its final zero.
#define AMOUNT_TEXT_MAX 32

// A decimal number, at most one space, and the unit: "SOT" with at most six digits behind the point, or "grains" (or
// "grain") with none. Digits stand on both sides of a point. No sign, no exponent, nothing around it. ERR_MALFORMED, or
// ERR_TOO_LONG for more than GRAINS_MAX.
enum err amount_parse(uint64_t *grains, const char *text);
// "12.5 SOT", or below a thousandth of a SOT "200 grains": the shortest text of exactly this amount.
void amount_format(char out[static AMOUNT_TEXT_MAX], uint64_t grains);

#endif
