#include "folder.h"

#include <string.h>

#include "base/cursor.h"
#include "place.h"
#include "store/store.h"

char *place_new(const struct bench *bench) {
    char *path = place_file(bench->dir, "sotto-bench-XXXXXX");
    if (mkdtemp(path) == NULL)
        bench_die("cannot make a folder in %s", bench->dir);
    return path;
}

void place_remove(char *path) {
    folder_remove(path);
}

char *place_file(const char *place, const char *name) {
    return folder_file(place, name);
}

struct kv *place_open_rocksdb(const char *place) {
    struct kv *kv;
    struct buf why = {0};
    char *path = place_file(place, "store");
    if (store_open_rocksdb(&kv, path, NULL, &why) != OK)
        bench_die("%.*s", (int)why.n, (const char *)why.p);
    free(path);
    return kv;
}

// Mailbox ids are hashes or keys: spread over all values.
void record_key(uint8_t key[static RECORD_KEY_BYTES], uint64_t mailbox, uint64_t arrival) {
    key[0] = KV_SPACE_MAILBOX;
    memset(key + 1, 0, 32);
    store_u64(key + 1, mailbox * UINT64_C(0x9e3779b97f4a7c15));
    store_u64(key + 33, arrival);
}
