// The signer and its memory.
#include "ledger/consensus/signer.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"

#define BODY_HEAD_BYTES (32 + 4 + 1 + 64)

_Static_assert(BODY_HEAD_BYTES + SIGNER_MESSAGE_BYTES_MAX <= WAL_BODY_BYTES_MAX, "a memory fits into a record");

// What was signed last.
struct memory {
    struct sign_slot slot;
    struct signature signature;
    size_t message_n;
    uint8_t message[SIGNER_MESSAGE_BYTES_MAX];
};

struct signer {
    struct sign_secret secret;
    struct sign_public public;
    struct network_id network;
    bool has_memory;
    bool started;
    struct memory memory;
};

static const char *const domains[] = {
    [SIGN_PROPOSAL] = "sotto proposal 1",
    [SIGN_PREVOTE] = "sotto vote 1",
    [SIGN_PRECOMMIT] = "sotto vote 1",
};

static int compare_u64(uint64_t a, uint64_t b) {
    return a < b ? -1 : a > b ? 1 : 0;
}

static int compare_slots(const struct sign_slot *a, const struct sign_slot *b) {
    int order = compare_u64(a->height, b->height);
    if (order == 0)
        order = compare_u64(a->round, b->round);
    return order != 0 ? order : compare_u64(a->step, b->step);
}

struct signer *signer_new(const uint8_t seed[static 32], const struct network_id *network) {
    struct signer *signer = NEW(struct signer);
    sign_key_from_seed(&signer->secret, &signer->public, seed);
    signer->network = *network;
    return signer;
}

void signer_free(struct signer *signer) {
    if (signer == NULL)
        return;
    wipe(signer, sizeof *signer);
    free(signer);
}

const struct sign_public *signer_key(const struct signer *signer) {
    return &signer->public;
}

struct sign_slot signer_slot(const struct signer *signer) {
    return signer->memory.slot;
}

// ---- the memory as a record ----

static void encode_record(const struct signer *signer, struct buf *out) {
    const struct memory *memory = &signer->memory;
    uint8_t body[BODY_HEAD_BYTES + SIGNER_MESSAGE_BYTES_MAX];
    struct writer w = writer_of(body, sizeof body);
    write_bytes(&w, signer->public.bytes, sizeof signer->public.bytes);
    write_u32(&w, memory->slot.round);
    write_u8(&w, (uint8_t)memory->slot.step);
    write_bytes(&w, memory->signature.bytes, sizeof memory->signature.bytes);
    write_bytes(&w, memory->message, memory->message_n);
    wal_encode(out, &(struct wal_record){.type = WAL_SIGNER, .height = memory->slot.height, .body = writer_span(&w)});
}

static void log_memory(const struct signer *signer, struct step *step) {
    struct buf record = {0};
    encode_record(signer, &record);
    step_log_append(step, buf_span(&record));
#ifndef SOTTO_MUTATE_NO_LOG_SYNC // a mutation check, with driver.c
    step_log_sync(step);
#endif
    buf_free(&record);
}

static bool is_signed(const struct signer *signer, const struct memory *memory) {
    const struct span parts[] = {SPAN_OF(signer->network.bytes), {memory->message, memory->message_n}};
    return verify_parts(&memory->signature, &signer->public, domains[memory->slot.step], parts, 2) == OK;
}

// A record with which a key begins: nothing signed, from the slot's height on it may.
static bool is_beginning(const struct memory *memory) {
    static const struct signature nothing;
    return memcmp(&memory->signature, &nothing, sizeof nothing) == 0 && memory->message_n == 0 &&
           memory->slot.round == 0;
}

static bool decode_memory(struct memory *memory, struct sign_public *key, const struct wal_record *record) {
    struct reader r = reader_of(record->body);
    *memory = (struct memory){.slot.height = record->height};
    read_bytes(&r, key->bytes, sizeof key->bytes);
    memory->slot.round = read_u32(&r);
    memory->slot.step = (enum sign_step)read_u8(&r);
    read_bytes(&r, memory->signature.bytes, sizeof memory->signature.bytes);
    struct span message = read_rest(&r);
    if (!reader_ok(&r) || message.n > sizeof memory->message || memory->slot.step > SIGN_PRECOMMIT)
        return false;
    memory->message_n = message.n;
    if (message.n > 0)
        memcpy(memory->message, message.p, message.n);
    return true;
}

enum err signer_recover(struct signer *signer, const struct wal_record *record) {
    ASSERT(!signer->started && record->type == WAL_SIGNER);
    struct memory memory;
    struct sign_public key;
    if (!decode_memory(&memory, &key, record))
        return ERR_CORRUPT;
    if (memcmp(key.bytes, signer->public.bytes, sizeof key.bytes) != 0)
        return OK;
    bool sound = memory.slot.step == SIGN_NOTHING ? is_beginning(&memory) : is_signed(signer, &memory);
    if (!sound || (signer->has_memory && compare_slots(&memory.slot, &signer->memory.slot) <= 0))
        return ERR_CORRUPT;
    signer->memory = memory;
    signer->has_memory = true;
    return OK;
}

enum err signer_start(struct signer *signer, struct step *step, bool chain_begun) {
    ASSERT(!signer->started);
    if (!signer->has_memory && chain_begun)
        return ERR_REFUSED;
    signer->started = true;
    if (!signer->has_memory) {
        signer->has_memory = true;
        log_memory(signer, step);
    }
    return OK;
}

// A mutation check: worlds must find what one that lost its memory signs again.
bool signer_is_blank(const struct signer *signer) {
#ifndef SOTTO_MUTATE_NO_SILENCE
    return signer->memory.slot.height == 0;
#else
    (void)signer;
    return false;
#endif
}

bool signer_is_silent(const struct signer *signer, uint64_t height) {
    const struct sign_slot *slot = &signer->memory.slot;
    return signer_is_blank(signer) || (slot->step == SIGN_NOTHING && height < slot->height);
}

void signer_admit(struct signer *signer, struct step *step, uint64_t from_height) {
    ASSERT(signer->started && signer_is_blank(signer) && from_height > 0);
    signer->memory.slot.height = from_height;
    log_memory(signer, step);
}

void signer_reset_log(const struct signer *signer, struct step *step) {
    struct buf record = {0};
    if (signer != NULL) {
        ASSERT(signer->started);
        encode_record(signer, &record);
    }
    step_log_reset(step, buf_span(&record));
    buf_free(&record);
}

// ---- signing ----

static void remember(struct memory *memory, const struct sign_slot *slot, struct span message) {
    *memory = (struct memory){.slot = *slot, .message_n = message.n};
    memcpy(memory->message, message.p, message.n);
}

enum err signer_sign(struct signer *signer, struct step *step, struct signature *out, const struct sign_slot *slot,
                     struct span message) {
    ASSERT(signer->started && slot->step >= SIGN_PROPOSAL && slot->step <= SIGN_PRECOMMIT);
    ASSERT(message.n > 0 && message.n <= SIGNER_MESSAGE_BYTES_MAX);
    struct memory *memory = &signer->memory;
    int order = compare_slots(slot, &memory->slot);
    bool same = order == 0 && span_equal(message, span_of(memory->message, memory->message_n));
    if (order < 0 || (order == 0 && !same) || signer_is_blank(signer))
        return ERR_REFUSED;
    if (!same) {
        const struct span parts[] = {SPAN_OF(signer->network.bytes), message};
        remember(memory, slot, message);
        sign_parts(&memory->signature, &signer->secret, domains[slot->step], parts, 2);
        log_memory(signer, step);
    }
    *out = memory->signature;
    return OK;
}

void signer_sign_other(const struct signer *signer, struct signature *out, const char *domain, const struct span *parts,
                       size_t count) {
    for (size_t i = SIGN_PROPOSAL; i <= SIGN_PRECOMMIT; i++)
        ASSERT(strcmp(domain, domains[i]) != 0);
    sign_parts(out, &signer->secret, domain, parts, count);
}
