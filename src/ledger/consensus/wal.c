// Records of the log, and recovery.
#include "ledger/consensus/wal.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/cursor.h"

#define RECORD_BYTES(body_n) (WAL_HEAD_BYTES + (body_n) + WAL_CRC_BYTES)

_Static_assert(RECORD_BYTES(WAL_BODY_BYTES_MAX) < LOG_BYTES_MAX, "a record fits into a log");

void wal_encode(struct buf *out, const struct wal_record *record) {
    ASSERT(record->body.n <= WAL_BODY_BYTES_MAX);
    uint8_t head[WAL_HEAD_BYTES];
    struct writer w = writer_of(head, sizeof head);
    write_u32(&w, (uint32_t)record->body.n);
    write_u8(&w, (uint8_t)record->type);
    write_u64(&w, record->height);
    size_t start = out->n;
    buf_append(out, writer_span(&w));
    buf_append(out, record->body);
    uint32_t crc = crc32c(span_of(out->p + start, out->n - start));
    store_u32(buf_extend(out, WAL_CRC_BYTES), crc);
}

void wal_append(struct step *step, const struct wal_record *record) {
    struct buf bytes = {0};
    wal_encode(&bytes, record);
    step_log_append(step, buf_span(&bytes));
    buf_free(&bytes);
}

static bool is_type(uint8_t type) {
    return type == WAL_INPUT || type == WAL_SIGNER;
}

// The record that the bytes begin with; its length, 0: there is none.
static size_t record_at(struct wal_record *record, struct span bytes) {
    struct reader r = reader_of(bytes);
    uint32_t body_n = read_u32(&r);
    uint8_t type = read_u8(&r);
    uint64_t height = read_u64(&r);
    if (!reader_ok(&r) || body_n > WAL_BODY_BYTES_MAX || !is_type(type))
        return 0;
    struct span body = read_span(&r, body_n);
    uint32_t crc = read_u32(&r);
    if (!reader_ok(&r) || crc != crc32c(span_of(bytes.p, WAL_HEAD_BYTES + body_n)))
        return 0;
    *record = (struct wal_record){.type = (enum wal_type)type, .height = height, .body = body};
    return RECORD_BYTES(body_n);
}

bool wal_next(struct wal_record *record, struct span *rest) {
    size_t n = record_at(record, *rest);
    if (n > 0)
        *rest = span_of(rest->p + n, rest->n - n);
    return n > 0;
}

// Where in these bytes the first whole record begins; their length: nowhere.
static size_t find_record(struct span bytes) {
    struct wal_record record;
    size_t at = 0;
    while (at < bytes.n && record_at(&record, span_of(bytes.p + at, bytes.n - at)) == 0)
        at++;
    return at;
}

enum err wal_recover(struct wal_recovery *out, struct span log) {
    *out = (struct wal_recovery){0};
    struct span rest = log;
    struct wal_record record;
    while (wal_next(&record, &rest))
        out->records++;
    out->valid_bytes = log.n - rest.n;
    out->torn_bytes = find_record(rest);
    return out->torn_bytes == rest.n ? OK : ERR_CORRUPT;
}

void wal_cut_torn_end(struct step *step, struct span log, const struct wal_recovery *recovery) {
    ASSERT(recovery->valid_bytes + recovery->torn_bytes == log.n);
    if (recovery->torn_bytes > 0)
        step_log_reset(step, span_of(log.p, recovery->valid_bytes));
}
