// The durable engine of relays: RocksDB through its C API.
//
//     loop thread     kv_write ──> write-ahead log (page cache) + memtable     visible at once, survives kill -9
//     commit thread   kv_sync  ──> flush_wal: fdatasync of the log             survives a power loss
//     background      memtables ──> data files, compaction
//
// Writes never wait for the disk; one sync covers all writes before it. Everything is tuned for a small process:
// records are ciphertext (no compression), indexes and filters are cut into small blocks that live in the bounded
// cache, arenas grow in small steps, and nothing is gathered for statistics.
#define _GNU_SOURCE
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "store/why.h"

#define MIB (1024u * 1024u)
#define CACHE_BYTES (4 * MIB)
#define WRITE_BUFFER_BYTES (8 * MIB)
#define OPEN_FILES 256
#define ARENA_BLOCK_BYTES (64 * 1024) // the steps in which a memtable grows
#define FILE_BYTES (16 * MIB)         // a data file; compaction works in these
#define LEVEL_BASE_BYTES (64 * MIB)
#define SYNC_BYTES MIB // data files are written out in steps, so that a sync of the log never waits behind one
#define LOG_LEVEL_WARN 2
#define LOG_FILES 3

struct rocks {
    struct kv kv;
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write;
    rocksdb_writebatch_t *batch; // reused by every kv_write
    atomic_int failed;           // enum err of the first read that failed on any thread
};

struct rocks_snapshot {
    struct kv_snapshot snapshot;
    struct rocks *rocks;
    const rocksdb_snapshot_t *state;
    rocksdb_readoptions_t *read;
};

struct rocks_cursor {
    struct kv_cursor cursor;
    struct rocks *rocks;
    rocksdb_iterator_t *iterator;
};

static struct rocks *rocks_of(struct kv *kv) {
    return (struct rocks *)kv;
}

// RocksDB's errors are texts: "Corruption: ...", "IO error: While lock file: ...".
static enum err kind_of(const char *text) {
    if (text == NULL)
        return OK;
    if (strncmp(text, "Corruption", strlen("Corruption")) == 0)
        return ERR_CORRUPT;
    if (strstr(text, "While lock file") != NULL || strstr(text, "lock hold by current process") != NULL)
        return ERR_LOCKED;
    return ERR_IO;
}

// The kind of an error text, which is freed.
static enum err taken(char *text) {
    enum err err = kind_of(text);
    rocksdb_free(text);
    return err;
}

// As `taken`, for a read: the store is of no use from here on.
static enum err read_result(struct rocks *rocks, char *text) {
    enum err err = taken(text);
    int none = OK;
    if (err != OK)
        atomic_compare_exchange_strong(&rocks->failed, &none, (int)err);
    return err;
}

static enum err get_with(struct rocks *rocks, const rocksdb_readoptions_t *read, struct span key, struct buf *value) {
    char *text = NULL;
    rocksdb_pinnableslice_t *slice = rocksdb_get_pinned(rocks->db, read, (const char *)key.p, key.n, &text);
    if (text != NULL) {
        rocksdb_pinnableslice_destroy(slice);
        return read_result(rocks, text);
    }
    if (slice == NULL)
        return ERR_NOT_FOUND;
    size_t n = 0;
    const char *p = rocksdb_pinnableslice_value(slice, &n);
    buf_append(value, span_of(p, n));
    rocksdb_pinnableslice_destroy(slice);
    return OK;
}

static enum err rocks_get(struct kv *kv, struct span key, struct buf *value) {
    return get_with(rocks_of(kv), rocks_of(kv)->read, key, value);
}

static enum err rocks_write(struct kv *kv, const struct kv_batch *batch) {
    struct rocks *rocks = rocks_of(kv);
    enum err failed = (enum err)atomic_load(&rocks->failed);
    if (failed != OK)
        return failed;
    rocksdb_writebatch_clear(rocks->batch);
    for (size_t i = 0; i < kv_batch_count(batch); i++) {
        struct kv_write write = kv_batch_at(batch, i);
        const char *key = (const char *)write.key.p;
        if (write.is_delete)
            rocksdb_writebatch_delete(rocks->batch, key, write.key.n);
        else
            rocksdb_writebatch_put(rocks->batch, key, write.key.n, (const char *)write.value.p, write.value.n);
    }
    char *text = NULL;
    rocksdb_write(rocks->db, rocks->write, rocks->batch, &text);
    return taken(text);
}

static enum err rocks_sync(struct kv *kv) {
    struct rocks *rocks = rocks_of(kv);
    enum err failed = (enum err)atomic_load(&rocks->failed);
    if (failed != OK)
        return failed;
    char *text = NULL;
    rocksdb_flush_wal(rocks->db, 1, &text);
    return taken(text);
}

static struct kv_snapshot *rocks_snapshot(struct kv *kv) {
    struct rocks_snapshot *own = NEW(struct rocks_snapshot);
    own->snapshot.ops = kv->ops;
    own->rocks = rocks_of(kv);
    own->state = rocksdb_create_snapshot(own->rocks->db);
    own->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(own->read, own->state);
    // Scans must not push what single reads need out of the small cache.
    rocksdb_readoptions_set_fill_cache(own->read, 0);
    return &own->snapshot;
}

static void rocks_snapshot_release(struct kv_snapshot *snapshot) {
    struct rocks_snapshot *own = (struct rocks_snapshot *)snapshot;
    rocksdb_readoptions_destroy(own->read);
    rocksdb_release_snapshot(own->rocks->db, own->state);
    free(own);
}

static enum err rocks_snapshot_get(const struct kv_snapshot *snapshot, struct span key, struct buf *value) {
    const struct rocks_snapshot *own = (const struct rocks_snapshot *)snapshot;
    return get_with(own->rocks, own->read, key, value);
}

static struct kv_cursor *rocks_cursor(const struct kv_snapshot *snapshot, struct span from) {
    const struct rocks_snapshot *own = (const struct rocks_snapshot *)snapshot;
    struct rocks_cursor *cursor = NEW(struct rocks_cursor);
    cursor->cursor.ops = snapshot->ops;
    cursor->rocks = own->rocks;
    cursor->iterator = rocksdb_create_iterator(own->rocks->db, own->read);
    if (from.n == 0)
        rocksdb_iter_seek_to_first(cursor->iterator);
    else
        rocksdb_iter_seek(cursor->iterator, (const char *)from.p, from.n);
    return &cursor->cursor;
}

static bool rocks_cursor_at(struct kv_cursor *cursor, struct span *key, struct span *value) {
    struct rocks_cursor *own = (struct rocks_cursor *)cursor;
    if (!rocksdb_iter_valid(own->iterator)) {
        char *text = NULL;
        rocksdb_iter_get_error(own->iterator, &text);
        read_result(own->rocks, text);
        return false;
    }
    key->p = (const uint8_t *)rocksdb_iter_key(own->iterator, &key->n);
    value->p = (const uint8_t *)rocksdb_iter_value(own->iterator, &value->n);
    return true;
}

static void rocks_cursor_next(struct kv_cursor *cursor) {
    struct rocks_cursor *own = (struct rocks_cursor *)cursor;
    if (rocksdb_iter_valid(own->iterator))
        rocksdb_iter_next(own->iterator);
}

static void rocks_cursor_free(struct kv_cursor *cursor) {
    struct rocks_cursor *own = (struct rocks_cursor *)cursor;
    rocksdb_iter_destroy(own->iterator);
    free(own);
}

static void rocks_close(struct kv *kv) {
    struct rocks *rocks = rocks_of(kv);
    if (rocks->db != NULL)
        rocksdb_close(rocks->db);
    rocksdb_writebatch_destroy(rocks->batch);
    rocksdb_writeoptions_destroy(rocks->write);
    rocksdb_readoptions_destroy(rocks->read);
    rocksdb_options_destroy(rocks->options);
    free(rocks);
}

static const struct kv_ops rocks_ops = {
    .get = rocks_get,
    .write = rocks_write,
    .sync = rocks_sync,
    .snapshot = rocks_snapshot,
    .snapshot_release = rocks_snapshot_release,
    .snapshot_get = rocks_snapshot_get,
    .cursor = rocks_cursor,
    .cursor_at = rocks_cursor_at,
    .cursor_next = rocks_cursor_next,
    .cursor_free = rocks_cursor_free,
    .close = rocks_close,
};

static uint64_t or_default(uint64_t value, uint64_t if_zero) {
    return value != 0 ? value : if_zero;
}

static void set_table_options(rocksdb_options_t *options, uint64_t cache_bytes) {
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_cache_t *cache = rocksdb_cache_create_lru(cache_bytes);
    rocksdb_block_based_options_set_block_cache(table, cache);
    // Indexes and filters in 4 KiB parts inside the cache: a lookup loads one part, not the filter of a whole file.
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_index_type(table, rocksdb_block_based_table_index_type_two_level_index_search);
    rocksdb_block_based_options_set_partition_filters(table, 1);
    // The table takes the filter over; 10 bits a key: 1 lookup in 100 of an absent key reads in vain.
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(options, table); // copies the settings
    rocksdb_cache_destroy(cache);                                  // drops our reference
    rocksdb_block_based_options_destroy(table);
}

static rocksdb_options_t *make_options(const struct store_options *wanted) {
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_paranoid_checks(options, 1);
    // The tail of the log was never promised: after a power loss it may be torn at any place.
    rocksdb_options_set_wal_recovery_mode(options, rocksdb_point_in_time_recovery);
    rocksdb_options_set_compression(options, rocksdb_no_compression);
    uint64_t write_buffer_bytes = or_default(wanted->write_buffer_bytes, WRITE_BUFFER_BYTES);
    rocksdb_options_set_write_buffer_size(options, write_buffer_bytes);
    rocksdb_options_set_max_write_buffer_number(options, 2);
    rocksdb_options_set_arena_block_size(options, ARENA_BLOCK_BYTES);
    rocksdb_options_set_allow_concurrent_memtable_write(options, 0); // one writer: no arena for each core
    rocksdb_options_set_target_file_size_base(options, FILE_BYTES);
    rocksdb_options_set_max_bytes_for_level_base(options, LEVEL_BASE_BYTES);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_max_background_jobs(options, 2);
    rocksdb_options_set_max_open_files(options, (int)or_default(wanted->open_files, OPEN_FILES));
    rocksdb_options_set_bytes_per_sync(options, SYNC_BYTES);
    rocksdb_options_set_skip_stats_update_on_db_open(options, 1);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_stats_persist_period_sec(options, 0);
    rocksdb_options_set_info_log_level(options, LOG_LEVEL_WARN);
    rocksdb_options_set_keep_log_file_num(options, LOG_FILES);
    set_table_options(options, or_default(wanted->cache_bytes, CACHE_BYTES));
    return options;
}

// A store without its file CURRENT looks like an empty folder to RocksDB, which would delete what is left of it.
static bool has_lost_current(const char *path) {
    DIR *folder = opendir(path);
    if (folder == NULL)
        return false;
    bool has_current = false, has_data = false;
    for (struct dirent *file; (file = readdir(folder)) != NULL;) {
        const char *suffix = strrchr(file->d_name, '.');
        has_current = has_current || strcmp(file->d_name, "CURRENT") == 0;
        has_data = has_data || (suffix != NULL && strcmp(suffix, ".sst") == 0);
    }
    closedir(folder);
    return has_data && !has_current;
}

// Makes the folder, and its name durable in the folder above: what is synced inside would be lost with it.
static bool make_folder(const char *path) {
    if (mkdir(path, 0700) != 0)
        return errno == EEXIST;
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int parent = folder >= 0 ? openat(folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool is_synced = parent >= 0 && fsync(parent) == 0;
    if (parent >= 0)
        close(parent);
    if (folder >= 0)
        close(folder);
    return is_synced;
}

enum err store_open_rocksdb(struct kv **kv, const char *path, const struct store_options *options, struct buf *why) {
    static const struct store_options defaults;
    if (!make_folder(path))
        return store_refuse(why, ERR_IO, path, strerror(errno));
    if (has_lost_current(path))
        return store_refuse(why, ERR_CORRUPT, path, "its file CURRENT is missing");
    struct rocks *rocks = NEW(struct rocks);
    rocks->kv.ops = &rocks_ops;
    atomic_init(&rocks->failed, OK);
    rocks->options = make_options(options != NULL ? options : &defaults);
    rocks->read = rocksdb_readoptions_create();
    rocks->write = rocksdb_writeoptions_create();
    rocks->batch = rocksdb_writebatch_create();
    char *text = NULL;
    rocks->db = rocksdb_open(rocks->options, path, &text);
    if (text != NULL) {
        rocks_close(&rocks->kv);
        enum err err = store_refuse(why, kind_of(text), path, text);
        rocksdb_free(text);
        return err;
    }
    *kv = &rocks->kv;
    return OK;
}
