// The client's engine: one table of keys and values in a database that SQLCipher encrypts and authenticates page by
// page (AES-256-CBC and HMAC). The same file opens with SQLCipher 3.4.1 on SQLite 3.15 and with SQLCipher 4, so the SQL
// stays within what SQLite 3.15 knows and every connection asks for the file format of version 3.
//
//     loop thread    connection 1: reads, and one transaction for each kv_write
//     snapshot       a connection of its own, with an open read transaction: write-ahead logging keeps the pages that
//                    it sees until it ends
//
// A value stands behind a checksum of its record: when the authentication of a page fails in the middle of a long
// value, SQLCipher 3 puts zeros in its place, and takes pages of zeros as intact.
//
// SQLite's own locks would let a second process in between transactions; a lock file keeps it out for good.
#define _GNU_SOURCE
#ifndef SQLITE_HAS_CODEC
#define SQLITE_HAS_CODEC 1 // declares sqlite3_key
#endif
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlcipher/sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "store/why.h"

#define FORMAT "1"           // PRAGMA user_version of the files written here; 0 is a new file
#define BUSY_TIMEOUT_MS 5000 // waits for our own other connections only, which hold locks for moments
#define RAW_KEY_TEXT_BYTES (2 + 64 + 1)
#define CHECKSUM_BYTES 8

enum statement { GET, PUT, DELETE, BEGIN, COMMIT, ROLLBACK, STATEMENTS };

static const char *const statement_texts[STATEMENTS] = {
    [GET] = "SELECT value FROM record WHERE key = ?1",
    [PUT] = "INSERT OR REPLACE INTO record (key, value) VALUES (?1, ?2)",
    [DELETE] = "DELETE FROM record WHERE key = ?1",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
};

struct cipher {
    struct kv kv;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    char *path;
    int lock;
    struct buf stored;                    // scratch of kv_write: the checksum and the value
    char raw_key[RAW_KEY_TEXT_BYTES + 1]; // x'64 digits': the key itself, not a passphrase to stretch
    atomic_int failed;                    // enum err of the first read that failed on any thread
};

struct cipher_snapshot {
    struct kv_snapshot snapshot;
    struct cipher *cipher;
    sqlite3 *db; // NULL when it could not be opened: every read fails
};

struct cipher_cursor {
    struct kv_cursor cursor;
    struct cipher *cipher;
    sqlite3_stmt *statement; // NULL past the end
    struct span key, value;  // of the record it stands at
};

static struct cipher *cipher_of(struct kv *kv) {
    return (struct cipher *)kv;
}

static enum err kind_of(int code) {
    switch (code & 0xff) { // extended codes carry the primary one in the low byte
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return OK;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_BUSY:
        return ERR_LOCKED;
    default:
        return ERR_IO;
    }
}

// The result of a read; after a failed one, no later write succeeds.
static enum err read_result(struct cipher *cipher, int code) {
    enum err err = kind_of(code);
    int none = OK;
    if (err != OK)
        atomic_compare_exchange_strong(&cipher->failed, &none, (int)err);
    return err;
}

// Binds bytes that outlive the statement's execution. A NULL pointer would bind SQL's NULL, which is not an empty blob.
static int bind(sqlite3_stmt *statement, int index, struct span bytes) {
    if (bytes.n == 0)
        return sqlite3_bind_zeroblob(statement, index, 0);
    return sqlite3_bind_blob(statement, index, bytes.p, (int)bytes.n, SQLITE_STATIC);
}

static struct span column(sqlite3_stmt *statement, int index) {
    const void *p = sqlite3_column_blob(statement, index); // before its size is asked for, as SQLite wants it
    return (struct span){p, (size_t)sqlite3_column_bytes(statement, index)};
}

// FNV-1a, 64 bits, over the key and the value. It guards against damage; SQLCipher guards against forgery.
static uint64_t checksum_of(struct span key, struct span value) {
    uint64_t sum = UINT64_C(0xcbf29ce484222325) ^ key.n;
    const struct span parts[] = {key, value};
    for (int part = 0; part < 2; part++) {
        for (size_t i = 0; i < parts[part].n; i++)
            sum = (sum ^ parts[part].p[i]) * UINT64_C(0x100000001b3);
    }
    return sum;
}

// The value out of what is stored for the key.
static enum err unpack(struct cipher *cipher, struct span *value, struct span key, struct span stored) {
    struct reader r = reader_of(stored);
    uint64_t checksum = read_u64(&r);
    *value = read_rest(&r);
    bool intact = reader_ok(&r) && checksum == checksum_of(key, *value);
    return intact ? OK : read_result(cipher, SQLITE_CORRUPT);
}

// Runs a statement that is a GET; resets it.
static enum err run_get(struct cipher *cipher, sqlite3_stmt *statement, struct span key, struct buf *value) {
    struct span found = {0};
    int code = bind(statement, 1, key);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    enum err err = code == SQLITE_DONE ? ERR_NOT_FOUND : read_result(cipher, code);
    if (err == OK)
        err = unpack(cipher, &found, key, column(statement, 0));
    if (err == OK)
        buf_append(value, found);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return err;
}

static enum err cipher_get(struct kv *kv, struct span key, struct buf *value) {
    return run_get(cipher_of(kv), cipher_of(kv)->statements[GET], key, value);
}

// Runs one of the statements that return no rows.
static int run(struct cipher *cipher, enum statement which, struct span key, struct span value) {
    sqlite3_stmt *statement = cipher->statements[which];
    int code = SQLITE_OK;
    if (which == PUT || which == DELETE)
        code = bind(statement, 1, key);
    if (which == PUT && code == SQLITE_OK) {
        buf_clear(&cipher->stored);
        store_u64(buf_extend(&cipher->stored, CHECKSUM_BYTES), checksum_of(key, value));
        buf_append(&cipher->stored, value);
        code = bind(statement, 2, buf_span(&cipher->stored));
    }
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static enum err cipher_write(struct kv *kv, const struct kv_batch *batch) {
    struct cipher *cipher = cipher_of(kv);
    const struct span none = {0};
    enum err failed = (enum err)atomic_load(&cipher->failed);
    if (failed != OK)
        return failed;
    int code = run(cipher, BEGIN, none, none);
    if (code != SQLITE_OK)
        return kind_of(code);
    for (size_t i = 0; i < kv_batch_count(batch) && code == SQLITE_OK; i++) {
        struct kv_write write = kv_batch_at(batch, i);
        code = run(cipher, write.is_delete ? DELETE : PUT, write.key, write.value);
    }
    if (code == SQLITE_OK)
        code = run(cipher, COMMIT, none, none);
    if (code != SQLITE_OK && sqlite3_get_autocommit(cipher->db) == 0)
        run(cipher, ROLLBACK, none, none);
    return kind_of(code);
}

// With synchronous=FULL every commit syncs the write-ahead log, so a write is durable when kv_write returns: nothing
// is left to do here. (A client writes a few times a second at most.)
static enum err cipher_sync(struct kv *kv) {
    return (enum err)atomic_load(&cipher_of(kv)->failed);
}

// Opens a connection and gives it the key. sqlite3_close is due whatever the result.
static int connect_to(sqlite3 **db, const char *path, const char raw_key[static RAW_KEY_TEXT_BYTES]) {
    int code = sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_key(*db, raw_key, RAW_KEY_TEXT_BYTES);
    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(*db, BUSY_TIMEOUT_MS);
    // cipher_compatibility comes before the first page is read; SQLCipher 3 does not know it, and ignores it.
    if (code == SQLITE_OK)
        code = sqlite3_exec(*db,
                            "PRAGMA cipher_compatibility = 3;"
                            "PRAGMA cache_size = -256;" // KiB
                            "PRAGMA temp_store = MEMORY;"
                            "PRAGMA synchronous = FULL;",
                            NULL, NULL, NULL);
    return code;
}

static struct kv_snapshot *cipher_snapshot(struct kv *kv) {
    struct cipher *cipher = cipher_of(kv);
    struct cipher_snapshot *own = NEW(struct cipher_snapshot);
    own->snapshot.ops = kv->ops;
    own->cipher = cipher;
    int code = connect_to(&own->db, cipher->path, cipher->raw_key);
    // BEGIN alone waits for the first read to take its view.
    if (code == SQLITE_OK)
        code = sqlite3_exec(own->db, "BEGIN; SELECT key FROM record LIMIT 1;", NULL, NULL, NULL);
    if (read_result(cipher, code) != OK) {
        sqlite3_close(own->db);
        own->db = NULL;
    }
    return &own->snapshot;
}

static void cipher_snapshot_release(struct kv_snapshot *snapshot) {
    struct cipher_snapshot *own = (struct cipher_snapshot *)snapshot;
    int code = sqlite3_close(own->db); // ends the transaction
    ASSERT(code == SQLITE_OK);         // or a cursor is still open
    free(own);
}

static enum err cipher_snapshot_get(const struct kv_snapshot *snapshot, struct span key, struct buf *value) {
    const struct cipher_snapshot *own = (const struct cipher_snapshot *)snapshot;
    if (own->db == NULL)
        return (enum err)atomic_load(&own->cipher->failed);
    sqlite3_stmt *statement = NULL; // of this call alone: several threads may read one snapshot
    int code = sqlite3_prepare_v2(own->db, statement_texts[GET], -1, &statement, NULL);
    enum err err = code == SQLITE_OK ? run_get(own->cipher, statement, key, value) : read_result(own->cipher, code);
    sqlite3_finalize(statement);
    return err;
}

// Goes to the next record; the statement ends with the last one, or with an error that fails all later writes.
static void advance(struct cipher_cursor *cursor) {
    int code = sqlite3_step(cursor->statement);
    if (code == SQLITE_ROW) {
        cursor->key = column(cursor->statement, 0);
        if (unpack(cursor->cipher, &cursor->value, cursor->key, column(cursor->statement, 1)) == OK)
            return;
    }
    read_result(cursor->cipher, code);
    sqlite3_finalize(cursor->statement);
    cursor->statement = NULL;
}

static struct kv_cursor *cipher_cursor(const struct kv_snapshot *snapshot, struct span from) {
    const struct cipher_snapshot *own = (const struct cipher_snapshot *)snapshot;
    struct cipher_cursor *cursor = NEW(struct cipher_cursor);
    cursor->cursor.ops = snapshot->ops;
    cursor->cipher = own->cipher;
    if (own->db == NULL)
        return &cursor->cursor;
    int code = sqlite3_prepare_v2(own->db, "SELECT key, value FROM record WHERE key >= ?1 ORDER BY key", -1,
                                  &cursor->statement, NULL);
    // The statement keeps the first key for all its steps, the caller keeps it for this call only.
    if (code == SQLITE_OK && from.n > 0)
        code = sqlite3_bind_blob(cursor->statement, 1, from.p, (int)from.n, SQLITE_TRANSIENT);
    else if (code == SQLITE_OK)
        code = sqlite3_bind_zeroblob(cursor->statement, 1, 0);
    if (read_result(cursor->cipher, code) == OK)
        advance(cursor);
    return &cursor->cursor;
}

static bool cipher_cursor_at(struct kv_cursor *cursor, struct span *key, struct span *value) {
    struct cipher_cursor *own = (struct cipher_cursor *)cursor;
    if (own->statement == NULL)
        return false;
    *key = own->key;
    *value = own->value;
    return true;
}

static void cipher_cursor_next(struct kv_cursor *cursor) {
    struct cipher_cursor *own = (struct cipher_cursor *)cursor;
    if (own->statement != NULL)
        advance(own);
}

static void cipher_cursor_free(struct kv_cursor *cursor) {
    struct cipher_cursor *own = (struct cipher_cursor *)cursor;
    sqlite3_finalize(own->statement);
    free(own);
}

static void cipher_close(struct kv *kv) {
    struct cipher *cipher = cipher_of(kv);
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(cipher->statements[i]);
    int code = sqlite3_close(cipher->db);
    ASSERT(code == SQLITE_OK);
    if (cipher->lock >= 0)
        close(cipher->lock);
    buf_wipe(&cipher->stored);
    free(cipher->path);
    explicit_bzero(cipher->raw_key, sizeof cipher->raw_key);
    free(cipher);
}

static const struct kv_ops cipher_ops = {
    .get = cipher_get,
    .write = cipher_write,
    .sync = cipher_sync,
    .snapshot = cipher_snapshot,
    .snapshot_release = cipher_snapshot_release,
    .snapshot_get = cipher_snapshot_get,
    .cursor = cipher_cursor,
    .cursor_at = cipher_cursor_at,
    .cursor_next = cipher_cursor_next,
    .cursor_free = cipher_cursor_free,
    .close = cipher_close,
};

// The lock file stays behind: were it removed, two processes could hold locks on two files of one name.
static enum err take_lock(struct cipher *cipher, struct buf *why) {
    struct buf name = {0};
    buf_append(&name, span_of_text(cipher->path));
    buf_append(&name, span_of("-lock", sizeof "-lock"));
    cipher->lock = open((const char *)name.p, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    buf_free(&name);
    if (cipher->lock < 0)
        return store_refuse(why, ERR_IO, cipher->path, strerror(errno));
    if (flock(cipher->lock, LOCK_EX | LOCK_NB) != 0)
        return store_refuse(why, errno == EWOULDBLOCK ? ERR_LOCKED : ERR_IO, cipher->path, err_text(ERR_LOCKED));
    return OK;
}

// SQLite would make the file with the mode of the umask; its -wal and -shm files take the mode of the file.
static enum err make_file(const struct cipher *cipher, struct buf *why) {
    int file = open(cipher->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return store_refuse(why, ERR_IO, cipher->path, strerror(errno));
    close(file);
    return OK;
}

// The one value of a query's one row, as a text of at most 15 characters.
static int query(char out[static 16], sqlite3 *db, const char *text) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, text, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        const char *value = (const char *)sqlite3_column_text(statement, 0);
        strncpy(out, value != NULL ? value : "", 15);
        out[15] = '\0';
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return code;
}

static enum err refuse(const struct cipher *cipher, int code, struct buf *why) {
    const char *what = cipher->db != NULL ? sqlite3_errmsg(cipher->db) : sqlite3_errstr(code);
    return store_refuse(why, kind_of(code), cipher->path, what);
}

// The first read: only the right key makes sense of the first page.
static enum err check_key_and_format(struct cipher *cipher, struct buf *why) {
    char format[16];
    int code = query(format, cipher->db, "PRAGMA user_version");
    if (code == SQLITE_OK)
        code = query((char[16]){0}, cipher->db, "SELECT count(*) FROM sqlite_master");
    if (code == SQLITE_NOTADB)
        return store_refuse(why, ERR_AUTH, cipher->path, "the key does not open it");
    if (code != SQLITE_OK)
        return refuse(cipher, code, why);
    if (strcmp(format, "0") != 0 && strcmp(format, FORMAT) != 0)
        return store_refuse(why, ERR_UNSUPPORTED, cipher->path, "its format is of a later version");
    return OK;
}

static enum err prepare(struct cipher *cipher, struct buf *why) {
    char mode[16] = "";
    int code = query(mode, cipher->db, "PRAGMA journal_mode = WAL");
    if (code == SQLITE_OK && strcmp(mode, "wal") != 0)
        return store_refuse(why, ERR_IO, cipher->path, "its disk cannot hold a write-ahead log");
    if (code == SQLITE_OK)
        code = sqlite3_exec(cipher->db,
                            "CREATE TABLE IF NOT EXISTS record (key BLOB PRIMARY KEY, value BLOB NOT NULL) "
                            "WITHOUT ROWID; PRAGMA user_version = " FORMAT ";",
                            NULL, NULL, NULL);
    for (size_t i = 0; i < STATEMENTS && code == SQLITE_OK; i++)
        code = sqlite3_prepare_v2(cipher->db, statement_texts[i], -1, &cipher->statements[i], NULL);
    return code == SQLITE_OK ? OK : refuse(cipher, code, why);
}

static enum err open_all(struct cipher *cipher, struct buf *why) {
    enum err err = take_lock(cipher, why);
    if (err == OK)
        err = make_file(cipher, why);
    if (err != OK)
        return err;
    int code = connect_to(&cipher->db, cipher->path, cipher->raw_key);
    if (code != SQLITE_OK && code != SQLITE_NOTADB)
        return refuse(cipher, code, why);
    err = check_key_and_format(cipher, why);
    return err == OK ? prepare(cipher, why) : err;
}

enum err store_open_sqlcipher(struct kv **kv, const char *path, const uint8_t key[static 32], struct buf *why) {
    struct cipher *cipher = NEW(struct cipher);
    cipher->kv.ops = &cipher_ops;
    cipher->path = mem_text(span_of_text(path));
    cipher->lock = -1;
    atomic_init(&cipher->failed, OK);
    memcpy(cipher->raw_key, "x'", 2);
    hex_encode(cipher->raw_key + 2, (struct span){key, 32});
    memcpy(cipher->raw_key + 2 + 64, "'", 2);
    enum err err = open_all(cipher, why);
    if (err != OK) {
        cipher_close(&cipher->kv);
        return err;
    }
    *kv = &cipher->kv;
    return OK;
}
