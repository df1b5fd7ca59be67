// See chains.h.
#include "sim/chains.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/map.h"
#include "crypto/hash.h"
#include "ledger/chain.h"
#include "ledger/message.h"
#include "ledger/state.h"
#include "ledger/tree.h"
#include "ledger/validators.h"
#include "ledger/vote.h"

// What is known by a key of 32 bytes: a vote by its slot, a transaction by its id, a nonce by its hash.
struct known {
    struct known *next;
    uint8_t key[MAP_KEY_BYTES];
    uint8_t value[36];
};

struct known_set {
    struct map map;
    struct known *all;
};

// A height that a validator has told others of.
struct height {
    bool decided;
    bool counted; // the grains
    struct block_id id;
    struct hash state_root; // after it
    bool has_state_root;
};

struct watch {
    struct sign_public key;
    uint64_t shown;          // the height in its store
    uint64_t told;           // as it has told others
    uint64_t said;           // the highest it has said something about
    uint64_t forgotten;      // what it said up to this height it has forgotten with its disk
    struct hash *state_root; // after each height that its store has shown; zeros: it was not seen
    size_t state_root_count;
};

struct chains {
    const struct genesis *genesis;
    struct checker *checker;
    struct validator_set set;
    struct hash set_hash;
    uint64_t now_ms;
    size_t watch_count;
    struct watch *watches;
    struct height *heights;
    size_t height_count; // the first is genesis
    struct known_set said;
    struct known_set txs;
    struct known_set nonces;
};

static void known_init(struct known_set *set, uint8_t number) {
    uint8_t seed[RNG_SEED_BYTES] = {number};
    struct rng rng;
    rng_init(&rng, seed);
    map_init(&set->map, &rng);
}

static void known_free(struct known_set *set) {
    while (set->all != NULL) {
        struct known *known = set->all;
        set->all = known->next;
        free(known);
    }
    map_free(&set->map);
}

// The one of that key, made with that value if there was none.
static const struct known *know(struct known_set *set, const uint8_t key[static MAP_KEY_BYTES],
                                const uint8_t value[static 36], bool *is_new) {
    struct known *known = map_find(&set->map, key);
    *is_new = known == NULL;
    if (known == NULL) {
        known = NEW(struct known);
        memcpy(known->key, key, sizeof known->key);
        memcpy(known->value, value, sizeof known->value);
        known->next = set->all;
        set->all = known;
        map_add(&set->map, known->key, known);
    }
    return known;
}

struct chains *chains_new(const struct genesis *genesis, struct checker *checker) {
    struct chains *chains = NEW(struct chains);
    chains->genesis = genesis;
    chains->checker = checker;
    validator_set_of_genesis(&chains->set, &genesis->ledger);
    validator_set_hash(&chains->set_hash, &chains->set);
    chains->watch_count = genesis->ledger.validator_count;
    chains->watches = NEW_ARRAY(struct watch, chains->watch_count);
    known_init(&chains->said, 1);
    known_init(&chains->txs, 2);
    known_init(&chains->nonces, 3);
    return chains;
}

void chains_free(struct chains *chains) {
    if (chains == NULL)
        return;
    for (size_t i = 0; i < chains->watch_count; i++)
        free(chains->watches[i].state_root);
    known_free(&chains->said);
    known_free(&chains->txs);
    known_free(&chains->nonces);
    free(chains->watches);
    free(chains->heights);
    free(chains);
}

void chains_key(struct chains *chains, uint32_t machine, const struct sign_public *key) {
    chains->watches[machine].key = *key;
}

static void fail(struct chains *chains, const char *what, uint32_t machine, uint64_t height, uint64_t other) {
    check_fail(chains->checker, chains->now_ms, what, machine, height, other);
}

// The array by height, with room for this one; what is new is zero.
static void *grown(void *array, size_t *count, uint64_t height, size_t item_bytes) {
    if (height < *count)
        return array;
    size_t wanted = 2 * (size_t)height + 64;
    uint8_t *bytes = realloc(array, wanted * item_bytes);
    ASSERT(bytes != NULL);
    memset(bytes + *count * item_bytes, 0, (wanted - *count) * item_bytes);
    *count = wanted;
    return bytes;
}

static struct height *height_at(struct chains *chains, uint64_t height) {
    chains->heights = grown(chains->heights, &chains->height_count, height, sizeof *chains->heights);
    return &chains->heights[height];
}

// ---- what a store shows

// The grains that there are, counted one by one. In a network of authorities none are staked by validators.
static uint64_t count_grains(struct kv *kv, uint64_t pool) {
    static const uint8_t from[] = {KV_SPACE_LEDGER, 's'};
    struct kv_snapshot *snapshot = kv_snapshot(kv);
    struct kv_cursor *cursor = kv_scan(snapshot, SPAN_OF(from));
    struct span key, value;
    uint64_t sum = pool;
    for (; kv_cursor_at(cursor, &key, &value) && memcmp(key.p, from, sizeof from) == 0; kv_cursor_next(cursor)) {
        struct account account = {0};
        struct relay_record relay = {0};
        if (key.p[2] == 'a' && state_account_decode(&account, value) == OK)
            sum += account.balance;
        else if (key.p[2] == 'r' && state_relay_decode(&relay, value) == OK)
            sum += relay.stake;
    }
    kv_cursor_free(cursor);
    kv_snapshot_release(snapshot);
    return sum;
}

static uint64_t unbonding_grains(struct overlay *overlay) {
    struct unbonding_queue queue;
    uint64_t sum = 0;
    state_queue(overlay, &queue);
    for (uint64_t i = queue.first; i < queue.end; i++) {
        struct unbonding unbonding;
        state_unbonding(overlay, &unbonding, i);
        sum += unbonding.amount;
    }
    return sum;
}

static void check_grains(struct chains *chains, uint32_t machine, struct kv *kv, uint64_t height) {
    struct overlay *overlay = overlay_over_kv(kv);
    struct supply supply;
    state_supply(overlay, &supply);
    uint64_t there = count_grains(kv, supply.pool) + unbonding_grains(overlay);
    if (there != supply.total || supply.total != ledger_genesis_supply(&chains->genesis->ledger))
        fail(chains, "grains came or went", machine, height, there);
    overlay_free(overlay);
}

static void note_state_root(struct watch *watch, struct kv *kv, uint64_t height) {
    watch->state_root = grown(watch->state_root, &watch->state_root_count, height, sizeof *watch->state_root);
    struct overlay *overlay = overlay_over_kv(kv);
    tree_root(&watch->state_root[height], overlay);
    overlay_free(overlay);
}

void chains_stepped(struct chains *chains, uint32_t machine, struct kv *kv, uint64_t now_ms) {
    struct watch *watch = &chains->watches[machine];
    uint64_t height = chain_shown_height(kv);
    if (height == watch->shown)
        return;
    chains->now_ms = now_ms;
    if (height != watch->shown + 1)
        fail(chains, "a height was left out", machine, height, watch->shown);
    watch->shown = height;
    note_state_root(watch, kv, height);
    struct height *at = height_at(chains, height);
    if (!at->counted)
        check_grains(chains, machine, kv, height);
    at->counted = true;
}

void chains_started(struct chains *chains, uint32_t machine, struct kv *kv, uint64_t now_ms) {
    struct watch *watch = &chains->watches[machine];
    watch->shown = chain_shown_height(kv);
    chains->now_ms = now_ms;
    if (watch->shown < watch->told)
        fail(chains, "a block that others were told of was lost", machine, watch->told, watch->shown);
    if (watch->shown > 0)
        note_state_root(watch, kv, watch->shown);
}

void chains_disk_lost(struct chains *chains, uint32_t machine) {
    struct watch *watch = &chains->watches[machine];
    watch->told = 0;
    watch->forgotten = watch->said;
}

// ---- a block that is final

static void check_tx(struct chains *chains, uint32_t machine, const struct block *block, uint32_t index) {
    static const uint8_t nothing[36] = {0};
    uint64_t height = block->header.height;
    struct tx_id id = block_tx_id(block, index);
    struct tx tx;
    bool is_new;
    know(&chains->txs, id.bytes, nothing, &is_new);
    if (!is_new)
        fail(chains, "a transaction is in the chain twice", machine, height, index);
    if (tx_decode(&tx, block->txs[index]) != OK || tx.kind == TX_EVIDENCE)
        return;
    uint8_t nonce[8];
    store_u64(nonce, tx.nonce);
    const struct span parts[] = {SPAN_OF(tx.sender.bytes), SPAN_OF(nonce)};
    struct hash key;
    hash_parts(&key, "nonce", parts, 2);
    know(&chains->nonces, key.bytes, nothing, &is_new);
    if (!is_new)
        fail(chains, "a nonce was used twice", machine, height, index);
}

static void check_header(struct chains *chains, uint32_t machine, const struct block_header *header, uint64_t height) {
    const struct height *before = height_at(chains, height - 1);
    if (header->height != height || memcmp(header->parent.bytes, before->id.bytes, sizeof before->id.bytes) != 0)
        fail(chains, "a block does not follow the one before", machine, height, header->height);
    if (memcmp(header->validators.bytes, chains->set_hash.bytes, sizeof chains->set_hash.bytes) != 0 ||
        memcmp(header->next_validators.bytes, chains->set_hash.bytes, sizeof chains->set_hash.bytes) != 0)
        fail(chains, "an honest validator was taken out of the set", machine, height, 0);
    if (before->has_state_root &&
        memcmp(header->state_root.bytes, before->state_root.bytes, sizeof before->state_root.bytes) != 0)
        fail(chains, "a header has another state than its parent left", machine, height, 0);
}

static void check_certificate(struct chains *chains, uint32_t machine, struct step *step, uint64_t height,
                              const struct block_id *id) {
    struct certificate *certificate = NEW(struct certificate);
    struct buf bytes = {0};
    if (chain_certificate(step, height, &bytes) != OK || certificate_decode(certificate, buf_span(&bytes)) != OK ||
        certificate->height != height || !block_id_equal(&certificate->value, id) ||
        certificate_verify(certificate, &chains->set, &chains->genesis->network) != OK)
        fail(chains, "a block stands that two thirds did not sign", machine, height, 0);
    buf_free(&bytes);
    free(certificate);
}

static void check_state_root(struct chains *chains, uint32_t machine, uint64_t height) {
    static const struct hash unseen = {{0}};
    const struct watch *watch = &chains->watches[machine];
    struct height *at = height_at(chains, height);
    if (height >= watch->state_root_count || memcmp(&watch->state_root[height], &unseen, sizeof unseen) == 0)
        return;
    if (at->has_state_root && memcmp(&at->state_root, &watch->state_root[height], sizeof unseen) != 0)
        fail(chains, "two validators have different states", machine, height, 0);
    at->state_root = watch->state_root[height];
    at->has_state_root = true;
}

static void check_block(struct chains *chains, uint32_t machine, struct step *step, uint64_t height) {
    struct height *at = height_at(chains, height);
    struct buf bytes = {0};
    struct block block;
    if (chain_block(step, height, &bytes) != OK || block_decode(&block, buf_span(&bytes)) != OK) {
        fail(chains, "a block is missing", machine, height, 0);
        buf_free(&bytes);
        return;
    }
    struct block_id id;
    block_id_of(&id, &block.header);
    if (at->decided && !block_id_equal(&at->id, &id))
        fail(chains, "two validators decided differently", machine, height, 0);
    check_certificate(chains, machine, step, height, &id);
    if (!at->decided) {
        at = height_at(chains, height);
        at->decided = true;
        at->id = id;
        check_header(chains, machine, &block.header, height);
        for (uint32_t i = 0; i < block.header.tx_count; i++)
            check_tx(chains, machine, &block, i);
    }
    check_state_root(chains, machine, height);
    block_free(&block);
    buf_free(&bytes);
}

// Blocks up to that height are final on this machine.
static void check_final(struct chains *chains, uint32_t machine, struct kv *kv, uint64_t height) {
    struct watch *watch = &chains->watches[machine];
    struct env env = {.kv = kv};
    struct kv_batch batch = {0};
    struct step step = {.env = &env, .batch = &batch};
    for (; watch->told < height && chains->checker->failure.what == NULL; watch->told++)
        check_block(chains, machine, &step, watch->told + 1);
    kv_batch_free(&batch);
}

void chains_end(struct chains *chains, uint32_t machine, struct kv *kv, uint64_t now_ms) {
    chains->now_ms = now_ms;
    check_final(chains, machine, kv, chain_shown_height(kv));
}

// ---- what it says

enum slot_kind { SLOT_PROPOSAL, SLOT_PREVOTE, SLOT_PRECOMMIT };

static void check_said(struct chains *chains, uint32_t machine, uint64_t height, uint32_t round, enum slot_kind kind,
                       const struct block_id *value, uint32_t valid_round) {
    struct watch *watch = &chains->watches[machine];
    watch->said = height > watch->said ? height : watch->said;
    uint8_t key[MAP_KEY_BYTES] = {0};
    uint8_t said[36];
    store_u32(key, machine);
    store_u32(key + 4, (uint32_t)kind);
    store_u64(key + 8, height);
    store_u32(key + 16, round);
    memcpy(said, value->bytes, sizeof value->bytes);
    store_u32(said + 32, valid_round);
    bool is_new;
    const struct known *before = know(&chains->said, key, said, &is_new);
    if (memcmp(before->value, said, sizeof said) != 0)
        fail(chains, "a validator said two things for one slot", machine, height, round);
}

static void hear_frame(struct chains *chains, uint32_t machine, const struct frame *frame, struct kv *kv) {
    const struct sign_public *key = &chains->watches[machine].key;
    struct span body = buf_span(&frame->body);
    struct vote vote;
    struct proposal proposal;
    struct peer_status status;
    if (frame->kind == FRAME_VOTE && vote_decode(&vote, body) == OK &&
        memcmp(vote.validator.bytes, key->bytes, sizeof key->bytes) == 0)
        check_said(chains, machine, vote.height, vote.round, vote.type == VOTE_PREVOTE ? SLOT_PREVOTE : SLOT_PRECOMMIT,
                   &vote.value, 0);
    else if (frame->kind == FRAME_PROPOSAL && body.n >= PROPOSAL_BYTES &&
             proposal_decode(&proposal, span_of(body.p, PROPOSAL_BYTES)) == OK &&
             memcmp(proposal.proposer.bytes, key->bytes, sizeof key->bytes) == 0)
        check_said(chains, machine, proposal.height, proposal.round, SLOT_PROPOSAL, &proposal.value,
                   proposal.valid_round);
    else if (frame->kind == FRAME_STATUS && peer_status_decode(&status, body) == OK)
        check_final(chains, machine, kv, status.height);
}

void chains_heard(struct chains *chains, uint32_t machine, struct frame_reader *reader, struct span bytes,
                  struct kv *kv, uint64_t now_ms) {
    bool complete = true;
    chains->now_ms = now_ms;
    reader->bytes_max = FRAME_BODY_BYTES_MAX;
    while (complete) {
        struct frame frame = {0};
        if (frame_take(reader, &frame, &complete, &bytes) != OK) {
            fail(chains, "a validator sent what is no frame", machine, 0, 0);
            return;
        }
        if (complete)
            hear_frame(chains, machine, &frame, kv);
        buf_free(&frame.body);
    }
}

// ---- looking

bool chains_remembers(const struct chains *chains, uint32_t machine) {
    const struct watch *watch = &chains->watches[machine];
    return watch->said > watch->forgotten;
}

uint64_t chains_told_height(const struct chains *chains, uint32_t machine) {
    return chains->watches[machine].told;
}

uint64_t chains_height(const struct chains *chains, uint32_t machine) {
    return chains->watches[machine].shown;
}

uint64_t chains_highest(const struct chains *chains) {
    uint64_t highest = 0;
    for (size_t i = 0; i < chains->watch_count; i++)
        highest = chains->watches[i].shown > highest ? chains->watches[i].shown : highest;
    return highest;
}
