// A log after a crash. The first byte of the input chooses: even, the rest is the log; odd, the rest is made into
// records (length 1, body) and then damaged at a place that its first two bytes name, so that a fuzzer need not find
// checksums.
#include "base/assert.h"
#include "base/cursor.h"
#include "fuzz.h"
#include "ledger/consensus/signer.h"

static void make_log(struct buf *log, struct reader *r) {
    uint16_t place = read_u16(r);
    uint8_t flip = read_u8(r);
    while (reader_ok(r) && r->n > 0) {
        size_t n = read_u8(r);
        struct span body = read_span(r, n < r->n ? n : r->n);
        wal_encode(log, &(struct wal_record){.type = n % 2 == 0 ? WAL_INPUT : WAL_SIGNER, .height = n, .body = body});
    }
    if (log->n > 0)
        log->p[place % log->n] ^= flip;
}

// What recovery keeps encodes to the same bytes, and is whole.
static void check_recovered(struct span valid, const struct wal_recovery *recovery) {
    static const uint8_t seed[32] = {1};
    struct signer *signer = signer_new(seed, &(struct network_id){{0}});
    struct buf again = {0};
    struct wal_record record;
    struct span rest = valid;
    size_t count = 0;
    while (wal_next(&record, &rest)) {
        wal_encode(&again, &record);
        if (record.type == WAL_SIGNER) {
            enum err err = signer_recover(signer, &record);
            ASSERT(err == OK || err == ERR_CORRUPT);
        }
        count++;
    }
    ASSERT(count == recovery->records && rest.n == 0 && span_equal(valid, buf_span(&again)));
    signer_free(signer);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader r = reader_of(span_of(data, size));
    struct buf log = {0};
    if (read_u8(&r) % 2 == 0)
        buf_append(&log, read_rest(&r));
    else
        make_log(&log, &r);
    struct wal_recovery recovery;
    enum err err = wal_recover(&recovery, buf_span(&log));
    ASSERT(err == OK || err == ERR_CORRUPT);
    ASSERT(recovery.valid_bytes + recovery.torn_bytes <= log.n);
    ASSERT((err == OK) == (recovery.valid_bytes + recovery.torn_bytes == log.n));
    check_recovered(span_of(log.p, recovery.valid_bytes), &recovery);
    buf_free(&log);
    return 0;
}
