// See chain.h.
#include "ledger/chain.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ledger/keys.h"

#define KEY_BYTES_MAX (2 + 32 + 8)
#define HISTORY_PAGE 8    // lines of a history in one record: the last page is written anew with each
#define PRUNED_A_BLOCK 64 // a long chain that is to be short all at once gets so bit by bit

struct key {
    uint8_t bytes[KEY_BYTES_MAX];
    size_t n;
};

static struct key key_of(enum ledger_space space, struct span first, struct span second) {
    struct key key;
    struct writer w = writer_of(key.bytes, sizeof(key.bytes));
    write_u8(&w, KV_SPACE_LEDGER);
    write_u8(&w, (uint8_t)space);
    write_bytes(&w, first.p, first.n);
    write_bytes(&w, second.p, second.n);
    key.n = w.n;
    return key;
}

static struct key key_of_id(enum ledger_space space, const uint8_t id[static 32]) {
    return key_of(space, span_of(id, 32), (struct span){NULL, 0});
}

static struct key key_of_number(enum ledger_space space, uint64_t number) {
    uint8_t bytes[8];
    store_u64(bytes, number);
    return key_of(space, SPAN_OF(bytes), (struct span){NULL, 0});
}

static struct key key_of_entry(const struct account_id *account, uint64_t number) {
    uint8_t bytes[8];
    store_u64(bytes, number);
    return key_of(LEDGER_ACCOUNT_TXS, SPAN_OF(account->bytes), SPAN_OF(bytes));
}

static enum err get(struct step *step, const struct key *key, struct buf *value) {
    return step_get(step, span_of(key->bytes, key->n), value);
}

// Exactly n bytes. Anything else was not written by us.
static enum err get_fixed(struct step *step, const struct key *key, uint8_t *out, size_t n) {
    struct buf value = {0};
    enum err err = get(step, key, &value);
    if (err == OK && value.n != n)
        err = ERR_CORRUPT;
    if (err == OK)
        memcpy(out, value.p, n);
    buf_free(&value);
    return err;
}

static void put(struct step *step, const struct key *key, struct span value) {
    step_put(step, span_of(key->bytes, key->n), value, KV_SYNCED);
}

static void forget(struct step *step, const struct key *key) {
    step_delete(step, span_of(key->bytes, key->n), KV_LAZY);
}

// ---- loading

static struct key head_key(void) {
    return key_of(LEDGER_HEAD, (struct span){NULL, 0}, (struct span){NULL, 0});
}

static void put_head(const struct chain *chain, struct step *step) {
    struct key key = head_key();
    uint8_t value[16];
    store_u64(value, chain->height);
    store_u64(value + 8, chain->first);
    put(step, &key, SPAN_OF(value));
}

static enum err load_header(struct chain *chain, struct step *step) {
    enum err err = chain_header(step, chain->height, &chain->header);
    if (err == OK && chain->header.height != chain->height)
        err = ERR_CORRUPT;
    if (err == OK)
        block_id_of(&chain->id, &chain->header);
    return err == OK ? OK : ERR_CORRUPT;
}

uint64_t chain_shown_height(struct kv *kv) {
    struct key key = head_key();
    struct buf value = {0};
    uint64_t height = kv_get(kv, span_of(key.bytes, key.n), &value) == OK && value.n == 16 ? load_u64(value.p) : 0;
    buf_free(&value);
    return height;
}

enum err chain_load(struct chain *chain, struct step *step, uint64_t keep_blocks) {
    struct key key = head_key();
    uint8_t value[16];
    enum err err = get_fixed(step, &key, value, sizeof(value));
    memset(chain, 0, sizeof(*chain));
    chain->keep_blocks = keep_blocks;
    chain->first = 1;
    if (err == ERR_NOT_FOUND)
        return OK;
    if (err != OK)
        return ERR_CORRUPT;
    chain->height = load_u64(value);
    chain->first = load_u64(value + 8);
    return load_header(chain, step);
}

// ---- appending

static void put_place(struct step *step, const struct tx_id *id, uint64_t height, uint32_t index) {
    struct key key = key_of_id(LEDGER_TX_PLACES, id->bytes);
    uint8_t place[12];
    store_u64(place, height);
    store_u32(place + 8, index);
    put(step, &key, SPAN_OF(place));
}

// ---- histories: pages of ids, and the last ones beside their number, so that a line more changes one record

struct history {
    uint64_t count;
    uint8_t last[(HISTORY_PAGE - 1) * 32]; // those that fill no page
};

static void history_read(struct history *history, struct step *step, const struct account_id *account) {
    struct key key = key_of_id(LEDGER_ACCOUNTS, account->bytes);
    struct buf value = {0};
    history->count = 0;
    if (get(step, &key, &value) == OK && value.n >= 8) {
        uint64_t count = load_u64(value.p);
        if (value.n == 8 + (size_t)(count % HISTORY_PAGE) * 32) { // anything else was not written by us
            history->count = count;
            memcpy(history->last, value.p + 8, value.n - 8);
        }
    }
    buf_free(&value);
}

static void history_write(struct step *step, const struct account_id *account, uint64_t count, struct span last) {
    struct key key = key_of_id(LEDGER_ACCOUNTS, account->bytes);
    uint8_t value[8 + (HISTORY_PAGE - 1) * 32];
    struct writer w = writer_of(value, sizeof(value));
    ASSERT(last.n == count % HISTORY_PAGE * 32);
    write_u64(&w, count);
    write_bytes(&w, last.p, last.n);
    put(step, &key, writer_span(&w));
}

// One line of an account's history.
struct line {
    const struct account_id *account;
    const struct chain_tx *tx;
};

static bool same_account(const struct line *a, const struct line *b) {
    return memcmp(a->account->bytes, b->account->bytes, sizeof(a->account->bytes)) == 0;
}

// By account; those of one account in the order of the block.
static int compare_lines(const void *a, const void *b) {
    const struct line *x = a, *y = b;
    int order = memcmp(x->account->bytes, y->account->bytes, sizeof(x->account->bytes));
    return order != 0 ? order : (x->tx > y->tx) - (x->tx < y->tx);
}

static void put_page(struct step *step, const struct account_id *account, uint64_t number, struct span ids) {
    struct key key = key_of_entry(account, number);
    put(step, &key, ids);
}

// Lines of one account go behind its last ones; what fills a page becomes one.
static void put_lines(struct step *step, const struct line *lines, size_t count) {
    const struct account_id *account = lines[0].account;
    struct history history;
    struct buf ids = {0};
    history_read(&history, step, account);
    uint64_t page = history.count / HISTORY_PAGE;
    size_t done = 0;
    buf_append(&ids, span_of(history.last, (size_t)(history.count % HISTORY_PAGE) * 32));
    for (size_t i = 0; i < count; i++)
        buf_append(&ids, SPAN_OF(lines[i].tx->id.bytes));
    for (; ids.n - done >= HISTORY_PAGE * 32; done += HISTORY_PAGE * 32)
        put_page(step, account, page++, span_of(ids.p + done, HISTORY_PAGE * 32));
    history_write(step, account, history.count + count, span_of(ids.p + done, ids.n - done));
    buf_free(&ids);
}

static void put_histories(struct step *step, const struct chain_tx *txs, uint32_t tx_count) {
    struct line *lines = NEW_ARRAY(struct line, 2 * (size_t)tx_count + 1);
    size_t count = 0;
    for (uint32_t i = 0; i < tx_count; i++)
        for (size_t j = 0; j < txs[i].account_count; j++)
            lines[count++] = (struct line){&txs[i].accounts[j], &txs[i]};
    qsort(lines, count, sizeof(lines[0]), compare_lines);
    for (size_t first = 0; first < count;) {
        size_t n = 1;
        while (first + n < count && same_account(&lines[first], &lines[first + n]))
            n++;
        put_lines(step, lines + first, n);
        first += n;
    }
    free(lines);
}

// Transactions stay known by id and in their accounts' histories: that is what keeps people's records whole.
static void prune(struct chain *chain, struct step *step) {
    uint64_t end = chain->first + PRUNED_A_BLOCK;
    while (chain->keep_blocks > 0 && chain->height - chain->first >= chain->keep_blocks && chain->first < end) {
        struct key header = key_of_number(LEDGER_HEADERS, chain->first);
        struct key block = key_of_number(LEDGER_BLOCKS, chain->first);
        struct key certificate = key_of_number(LEDGER_CERTIFICATES, chain->first);
        struct key results = key_of_number(LEDGER_RESULTS, chain->first);
        forget(step, &header);
        forget(step, &block);
        forget(step, &certificate);
        forget(step, &results);
        chain->first++;
    }
}

static void put_block(struct step *step, uint64_t height, struct span block) {
    ASSERT(block.n >= BLOCK_HEADER_BYTES);
    struct key header = key_of_number(LEDGER_HEADERS, height);
    struct key rest = key_of_number(LEDGER_BLOCKS, height);
    put(step, &header, span_of(block.p, BLOCK_HEADER_BYTES));
    put(step, &rest, span_of(block.p + BLOCK_HEADER_BYTES, block.n - BLOCK_HEADER_BYTES));
}

static void put_certificate(struct step *step, const struct certificate *certificate) {
    uint8_t bytes[CERTIFICATE_BYTES_MAX];
    struct key key = key_of_number(LEDGER_CERTIFICATES, certificate->height);
    put(step, &key, span_of(bytes, certificate_encode(bytes, certificate)));
}

static void put_results(struct step *step, uint64_t height, const struct chain_tx *txs, uint32_t count) {
    struct key key = key_of_number(LEDGER_RESULTS, height);
    uint8_t results[BLOCK_TXS_MAX];
    for (uint32_t i = 0; i < count; i++)
        results[i] = txs[i].result;
    put(step, &key, span_of(results, count));
}

void chain_append(struct chain *chain, struct step *step, const struct block_header *header, struct span block,
                  const struct certificate *certificate, const struct chain_tx *txs) {
    ASSERT(header->height == chain->height + 1 && certificate->height == header->height);
    uint8_t height[8];
    chain->height = header->height;
    chain->header = *header;
    block_id_of(&chain->id, header);
    struct key by_id = key_of_id(LEDGER_HEIGHTS, chain->id.bytes);
    store_u64(height, header->height);
    put_block(step, header->height, block);
    put(step, &by_id, SPAN_OF(height));
    put_certificate(step, certificate);
    if (header->tx_count > 0)
        put_results(step, header->height, txs, header->tx_count);
    for (uint32_t i = 0; i < header->tx_count; i++)
        put_place(step, &txs[i].id, header->height, i);
    put_histories(step, txs, header->tx_count);
    prune(chain, step);
    put_head(chain, step);
}

// ---- reading

enum err chain_header(struct step *step, uint64_t height, struct block_header *header) {
    uint8_t bytes[BLOCK_HEADER_BYTES];
    struct key key = key_of_number(LEDGER_HEADERS, height);
    enum err err = get_fixed(step, &key, bytes, sizeof(bytes));
    if (err == OK && block_header_decode(header, SPAN_OF(bytes)) != OK)
        err = ERR_CORRUPT;
    return err;
}

enum err chain_block(struct step *step, uint64_t height, struct buf *block) {
    struct key header = key_of_number(LEDGER_HEADERS, height);
    struct key key = key_of_number(LEDGER_BLOCKS, height);
    struct buf rest = {0};
    enum err err = get(step, &header, block);
    if (err == OK)
        err = get(step, &key, &rest);
    if (err == OK)
        buf_append(block, buf_span(&rest));
    else
        buf_clear(block);
    buf_free(&rest);
    return err;
}

enum err chain_certificate(struct step *step, uint64_t height, struct buf *certificate) {
    struct key key = key_of_number(LEDGER_CERTIFICATES, height);
    return get(step, &key, certificate);
}

enum err chain_height_of(struct step *step, const struct block_id *id, uint64_t *height) {
    struct key key = key_of_id(LEDGER_HEIGHTS, id->bytes);
    uint8_t value[8];
    enum err err = get_fixed(step, &key, value, sizeof(value));
    if (err == OK)
        *height = load_u64(value);
    return err;
}

enum err chain_tx_place(struct step *step, const struct tx_id *id, uint64_t *height, uint32_t *index) {
    struct key key = key_of_id(LEDGER_TX_PLACES, id->bytes);
    uint8_t value[12];
    enum err err = get_fixed(step, &key, value, sizeof(value));
    if (err != OK)
        return err;
    *height = load_u64(value);
    *index = load_u32(value + 8);
    return OK;
}

enum err chain_tx_result(struct step *step, uint64_t height, uint32_t index, uint8_t *result) {
    struct key key = key_of_number(LEDGER_RESULTS, height);
    struct buf results = {0};
    enum err err = get(step, &key, &results);
    if (err == OK && index >= results.n)
        err = ERR_NOT_FOUND;
    if (err == OK)
        *result = results.p[index];
    buf_free(&results);
    return err;
}

uint64_t chain_tx_count(struct step *step, const struct account_id *account) {
    struct history history;
    history_read(&history, step, account);
    return history.count;
}

enum err chain_tx_of(struct step *step, const struct account_id *account, uint64_t number, struct tx_id *id) {
    uint8_t page[HISTORY_PAGE * 32];
    const uint8_t *ids = page;
    struct history history;
    struct key key = key_of_entry(account, number / HISTORY_PAGE);
    history_read(&history, step, account);
    if (number >= history.count)
        return ERR_NOT_FOUND;
    enum err err = OK;
    if (number / HISTORY_PAGE == history.count / HISTORY_PAGE)
        ids = history.last;
    else
        err = get_fixed(step, &key, page, sizeof(page));
    if (err == OK)
        memcpy(id->bytes, ids + number % HISTORY_PAGE * 32, sizeof(id->bytes));
    return err;
}

// ---- what relays have earned

void chain_earned(struct step *step, const struct relay_id *relay, uint64_t *deliveries, uint64_t *grains) {
    struct key key = key_of_id(LEDGER_EARNED, relay->bytes);
    uint8_t value[16] = {0};
    bool held = get_fixed(step, &key, value, sizeof(value)) == OK;
    *deliveries = held ? load_u64(value) : 0;
    *grains = held ? load_u64(value + 8) : 0;
}

void chain_earn(struct step *step, const struct relay_id *relay, uint64_t deliveries, uint64_t grains) {
    struct key key = key_of_id(LEDGER_EARNED, relay->bytes);
    uint64_t deliveries_before, grains_before;
    uint8_t value[16];
    chain_earned(step, relay, &deliveries_before, &grains_before);
    store_u64(value, deliveries_before + deliveries);
    store_u64(value + 8, grains_before + grains);
    put(step, &key, SPAN_OF(value));
}

// ---- validator sets

void chain_put_set(struct step *step, const struct validator_set *set) {
    uint8_t bytes[VALIDATOR_SET_BYTES_MAX];
    struct hash hash;
    validator_set_hash(&hash, set);
    struct key key = key_of_id(LEDGER_SETS, hash.bytes);
    put(step, &key, span_of(bytes, validator_set_encode(bytes, set)));
}

enum err chain_set(struct step *step, const struct hash *hash, struct validator_set *set) {
    struct key key = key_of_id(LEDGER_SETS, hash->bytes);
    struct buf bytes = {0};
    enum err err = get(step, &key, &bytes);
    if (err == OK)
        err = validator_set_decode(set, buf_span(&bytes)) == OK ? OK : ERR_CORRUPT;
    buf_free(&bytes);
    return err;
}
