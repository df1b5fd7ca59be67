// CRC-32C (Castagnoli; RFC 3720, appendix B.4): finds accidental damage of what was written. No protection against
// anybody who means it.
#ifndef SOTTO_BASE_CRC32C_H
#define SOTTO_BASE_CRC32C_H

#include "base/bytes.h"

uint32_t crc32c(struct span bytes);

#endif
