// What every fuzz target is: one function that takes any bytes and must neither crash nor leak nor hang.
#ifndef SOTTO_FUZZ_H
#define SOTTO_FUZZ_H

#include <stddef.h>
#include <stdint.h>

// Always returns 0. Properties (what decodes encodes to the same bytes) are ASSERTs.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
