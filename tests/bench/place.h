// A fresh folder for the files of a measured store, and its removal. Records as a mailbox keeps them.
#ifndef SOTTO_TESTS_BENCH_PLACE_H
#define SOTTO_TESTS_BENCH_PLACE_H

#include "base/kv.h"
#include "bench.h"

// An item of 1,504 bytes and what is noted beside it.
#define RECORD_BYTES 1544
#define RECORD_KEY_BYTES 41 // space, mailbox, arrival

char *place_new(const struct bench *bench); // inside bench->dir
void place_remove(char *path);              // frees the path, too
char *place_file(const char *place, const char *name);

struct kv *place_open_rocksdb(const char *place);

void record_key(uint8_t key[static RECORD_KEY_BYTES], uint64_t mailbox, uint64_t arrival);

#endif
