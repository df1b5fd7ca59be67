// Backups: made in a job, since the key takes a while and the records are scanned.
#include "client/backup.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "client/client_internal.h"
#include "crypto/aead.h"

#define MAGIC "sotto backup 1\n"
#define MAGIC_BYTES (sizeof(MAGIC) - 1)
#define HEAD_BYTES (MAGIC_BYTES + 32 + 4 + 4 + 16 + 24)
#define PASSES 3
#define MEMORY_KIB (64 * 1024)
#define PASSES_MAX 16
#define MEMORY_KIB_MAX (1024 * 1024) // a forged backup must not take the machine down
#define BACKUP_BYTES_MAX (4 * 1024 * 1024)

struct head {
    struct network_id network;
    uint32_t passes;
    uint32_t memory_kib;
    uint8_t salt[16];
    uint8_t nonce[24];
};

struct backup_job {
    struct client_job base;
    uint64_t request;
    uint8_t seed[32];
    struct head head;
    struct buf passphrase;
    enum err err;
    struct buf out;
};

static void head_write(struct buf *out, const struct head *head) {
    struct writer w = writer_of(buf_extend(out, HEAD_BYTES), HEAD_BYTES);
    write_bytes(&w, MAGIC, MAGIC_BYTES);
    write_bytes(&w, head->network.bytes, 32);
    write_u32(&w, head->passes);
    write_u32(&w, head->memory_kib);
    write_bytes(&w, head->salt, sizeof(head->salt));
    write_bytes(&w, head->nonce, sizeof(head->nonce));
    ASSERT(w.n == HEAD_BYTES);
}

static void record_write(struct buf *out, struct span key, struct span value) {
    struct writer w = writer_of(buf_extend(out, 11 + value.n), 11 + value.n);
    struct reader k = reader_of(key);
    read_u8(&k);
    write_u8(&w, read_u8(&k));
    write_u64(&w, k.n == 8 ? read_u64(&k) : 0); // the account itself has no number
    write_u16(&w, (uint16_t)value.n);
    write_bytes(&w, value.p, value.n);
}

static uint32_t records_write(struct buf *out, const struct kv_snapshot *snapshot) {
    static const enum record_kind kinds[] = {RECORD_ACCOUNT, RECORD_CONTACT, RECORD_MAILBOX};
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct store_key first;
        enum record_kind kind;
        struct span key, value;
        store_key_first(&first, kinds[i]);
        struct kv_cursor *cursor = kv_scan(snapshot, span_of(first.bytes, first.n));
        for (; kv_cursor_at(cursor, &key, &value); kv_cursor_next(cursor)) {
            if (store_key_kind(&kind, key) != OK || kind != kinds[i])
                break;
            record_write(out, key, value);
            count++;
        }
        kv_cursor_free(cursor);
    }
    return count;
}

static void backup_run(struct job *job, const struct kv_snapshot *snapshot) {
    struct backup_job *backup = (struct backup_job *)job;
    struct buf plain = {0};
    uint8_t key[32];
    buf_extend(&plain, BACKUP_BYTES_MAX); // at once, so that no copies of the secrets stay behind
    buf_clear(&plain);
    buf_append(&plain, SPAN_OF(backup->seed));
    buf_extend(&plain, 4);
    uint32_t count = records_write(&plain, snapshot); // may move the bytes: only then where the count goes is known
    store_u32(plain.p + sizeof(backup->seed), count);
    backup->err = passphrase_key(key, buf_span(&backup->passphrase), backup->head.salt, backup->head.passes,
                                 backup->head.memory_kib);
    if (backup->err == OK) {
        head_write(&backup->out, &backup->head);
        uint8_t *sealed = buf_extend(&backup->out, plain.n + AEAD_TAG_BYTES);
        xaead_seal(sealed, key, backup->head.nonce, span_of(backup->out.p, HEAD_BYTES), buf_span(&plain));
    }
    wipe(key, sizeof(key));
    buf_wipe(&plain);
}

static void backup_free(struct job *job) {
    struct backup_job *backup = (struct backup_job *)job;
    wipe(backup->seed, sizeof(backup->seed));
    buf_wipe(&backup->passphrase);
    buf_free(&backup->out);
    free(backup);
}

void backup_start(struct client *client, struct step *step, uint64_t request, struct span passphrase) {
    struct backup_job *backup = client_job_new(sizeof(*backup), CLIENT_JOB_BACKUP, true, backup_run, backup_free);
    backup->request = request;
    memcpy(backup->seed, client->config.identity_seed, sizeof(backup->seed));
    backup->head =
        (struct head){.network = client->config.genesis->network, .passes = PASSES, .memory_kib = MEMORY_KIB};
    rng_bytes(&step->env->rng, backup->head.salt, sizeof(backup->head.salt));
    rng_bytes(&step->env->rng, backup->head.nonce, sizeof(backup->head.nonce));
    buf_append(&backup->passphrase, passphrase);
    step_start(step, &backup->base.job);
}

void backup_done(struct client *client, struct step *step, struct job *job) {
    struct backup_job *backup = (struct backup_job *)job;
    struct client_answer answer = {.id = backup->request, .err = backup->err, .bytes = backup->out};
    if (answer.err != OK)
        answer.reason = err_text(answer.err);
    backup->out = (struct buf){0};
    client->ports.answer(client->ports.ctx, step, &answer);
}

// ---- and back

static enum err head_read(struct head *head, struct reader *r) {
    struct span magic = read_span(r, MAGIC_BYTES);
    read_bytes(r, head->network.bytes, 32);
    head->passes = read_u32(r);
    head->memory_kib = read_u32(r);
    read_bytes(r, head->salt, sizeof(head->salt));
    read_bytes(r, head->nonce, sizeof(head->nonce));
    bool fits =
        head->passes >= 1 && head->passes <= PASSES_MAX && head->memory_kib >= 8 && head->memory_kib <= MEMORY_KIB_MAX;
    return reader_ok(r) && fits && span_equal(magic, SPAN_LITERAL(MAGIC)) ? OK : ERR_MALFORMED;
}

static void account_put(struct kv_batch *records, struct store_key *key, const struct account_state *account) {
    uint8_t value[RECORD_BYTES_MAX];
    struct writer w = writer_of(value, sizeof(value));
    account_encode(&w, account);
    kv_batch_put(records, span_of(key->bytes, key->n), writer_span(&w), KV_SYNCED);
}

static enum err record_read(struct kv_batch *records, struct reader *r) {
    uint8_t kind = read_u8(r);
    uint64_t number = read_u64(r);
    struct span value = read_span(r, read_u16(r));
    struct account_state account;
    struct store_key key;
    if (!reader_ok(r) || (kind != RECORD_ACCOUNT && kind != RECORD_CONTACT && kind != RECORD_MAILBOX))
        return ERR_MALFORMED;
    store_key_first(&key, (enum record_kind)kind);
    if (kind == RECORD_ACCOUNT) {
        if (account_decode(&account, value) != OK)
            return ERR_MALFORMED;
        account.restored = true;
        account_put(records, &key, &account);
        return OK;
    }
    store_u64(key.bytes + key.n, number);
    key.n += 8;
    kv_batch_put(records, span_of(key.bytes, key.n), value, KV_SYNCED);
    return OK;
}

static enum err records_read(struct kv_batch *records, struct reader *r) {
    uint32_t count = read_u32(r);
    for (uint32_t i = 0; i < count; i++) {
        enum err err = record_read(records, r);
        if (err != OK)
            return err;
    }
    return reader_done(r) ? OK : ERR_MALFORMED;
}

enum err client_restore(uint8_t seed[static 32], struct network_id *network, struct kv_batch *records,
                        struct span backup, struct span passphrase) {
    struct reader r = reader_of(backup);
    struct head head;
    if (backup.n > BACKUP_BYTES_MAX || head_read(&head, &r) != OK || r.n < AEAD_TAG_BYTES)
        return ERR_MALFORMED;
    uint8_t key[32];
    enum err err = passphrase_key(key, passphrase, head.salt, head.passes, head.memory_kib);
    if (err != OK)
        return err;
    struct buf plain = {0};
    struct span sealed = read_rest(&r);
    uint8_t *out = buf_extend(&plain, sealed.n - AEAD_TAG_BYTES);
    err = xaead_open(out, key, head.nonce, span_of(backup.p, HEAD_BYTES), sealed);
    if (err == OK) {
        struct reader p = reader_of(buf_span(&plain));
        uint8_t read_seed[32];
        read_bytes(&p, read_seed, sizeof(read_seed));
        err = records_read(records, &p);
        if (err == OK) {
            memcpy(seed, read_seed, sizeof(read_seed));
            *network = head.network;
        }
        wipe(read_seed, sizeof(read_seed));
    }
    wipe(key, sizeof(key));
    buf_wipe(&plain);
    return err;
}
