// Sentences about a store that cannot be opened. Inside store/ only.
#ifndef SOTTO_STORE_WHY_H
#define SOTTO_STORE_WHY_H

#include "base/bytes.h"

// Appends "cannot open the store PATH: WHAT; ADVICE" and returns the error.
enum err store_refuse(struct buf *why, enum err err, const char *path, const char *what);

#endif
