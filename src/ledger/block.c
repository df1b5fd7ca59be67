// Blocks as bytes. Reading one checks its framing and that the header names these transactions and no others.
#include "ledger/block.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"

#define BLOCK_VERSION 1
#define TX_LENGTH_BYTES 4

_Static_assert(BLOCK_HEADER_BYTES == 249, "docs/spec/ledger.md says so");

// ---- headers ----

void block_header_write(struct writer *w, const struct block_header *header) {
    write_u8(w, BLOCK_VERSION);
    write_bytes(w, header->network.bytes, sizeof header->network.bytes);
    write_u64(w, header->height);
    write_u64(w, header->time_ms);
    write_bytes(w, header->parent.bytes, sizeof header->parent.bytes);
    write_bytes(w, header->state_root.bytes, sizeof header->state_root.bytes);
    write_bytes(w, header->tx_root.bytes, sizeof header->tx_root.bytes);
    write_u32(w, header->tx_count);
    write_bytes(w, header->validators.bytes, sizeof header->validators.bytes);
    write_bytes(w, header->next_validators.bytes, sizeof header->next_validators.bytes);
    write_u32(w, header->epoch);
    write_bytes(w, header->proposer.bytes, sizeof header->proposer.bytes);
}

static bool hash_is_zero(const struct hash *hash) {
    static const struct hash zero;
    return memcmp(hash->bytes, zero.bytes, sizeof zero.bytes) == 0;
}

void block_header_read(struct reader *r, struct block_header *header) {
    if (read_u8(r) != BLOCK_VERSION)
        reader_fail(r);
    read_bytes(r, header->network.bytes, sizeof header->network.bytes);
    header->height = read_u64(r);
    header->time_ms = read_u64(r);
    read_bytes(r, header->parent.bytes, sizeof header->parent.bytes);
    read_bytes(r, header->state_root.bytes, sizeof header->state_root.bytes);
    read_bytes(r, header->tx_root.bytes, sizeof header->tx_root.bytes);
    header->tx_count = read_u32(r);
    read_bytes(r, header->validators.bytes, sizeof header->validators.bytes);
    read_bytes(r, header->next_validators.bytes, sizeof header->next_validators.bytes);
    header->epoch = read_u32(r);
    read_bytes(r, header->proposer.bytes, sizeof header->proposer.bytes);
    if (header->height == 0 || header->tx_count > BLOCK_TXS_MAX ||
        (header->tx_count == 0 && !hash_is_zero(&header->tx_root)))
        reader_fail(r);
}

void block_header_encode(uint8_t out[static BLOCK_HEADER_BYTES], const struct block_header *header) {
    struct writer w = writer_of(out, BLOCK_HEADER_BYTES);
    block_header_write(&w, header);
    ASSERT(w.n == BLOCK_HEADER_BYTES);
}

enum err block_header_decode(struct block_header *out, struct span bytes) {
    struct reader r = reader_of(bytes);
    struct block_header header;
    block_header_read(&r, &header);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = header;
    return OK;
}

void block_id_of(struct block_id *out, const struct block_header *header) {
    uint8_t bytes[BLOCK_HEADER_BYTES];
    struct hash hash;
    block_header_encode(bytes, header);
    hash_bytes(&hash, "sotto block 1", SPAN_OF(bytes));
    memcpy(out->bytes, hash.bytes, sizeof out->bytes);
}

// ---- transactions under their root ----

// The ids of the transactions as items of the tree. The caller frees them.
static struct hash *items_of(const struct span *txs, uint32_t tx_count) {
    struct hash *items = NEW_ARRAY(struct hash, tx_count > 0 ? tx_count : 1);
    for (uint32_t i = 0; i < tx_count; i++) {
        struct tx_id id;
        tx_id_of(&id, txs[i]);
        memcpy(items[i].bytes, id.bytes, sizeof id.bytes);
    }
    return items;
}

void block_tx_root(struct hash *out, const struct span *txs, uint32_t tx_count) {
    struct hash *items = items_of(txs, tx_count);
    merkle_root(out, items, tx_count);
    free(items);
}

size_t block_tx_prove(struct hash path[static MERKLE_PATH_MAX], const struct block *block, uint32_t index) {
    return merkle_prove(path, block->ids, block->header.tx_count, index);
}

// ---- blocks ----

static void read_txs(struct reader *r, struct span *txs, uint32_t tx_count) {
    for (uint32_t i = 0; reader_ok(r) && i < tx_count; i++) {
        uint32_t length = read_u32(r);
        if (length == 0 || length > TX_BYTES_MAX)
            reader_fail(r);
        txs[i] = read_span(r, length);
    }
}

enum err block_decode(struct block *out, struct span bytes) {
    if (bytes.n > BLOCK_BYTES_MAX)
        return ERR_MALFORMED;
    struct reader r = reader_of(bytes);
    struct block block = {0};
    block_header_read(&r, &block.header);
    if (!reader_ok(&r) || r.n < (size_t)block.header.tx_count * (TX_LENGTH_BYTES + 1))
        return ERR_MALFORMED;
    block.txs = NEW_ARRAY(struct span, block.header.tx_count > 0 ? block.header.tx_count : 1);
    read_txs(&r, block.txs, block.header.tx_count);
    enum err err = reader_done(&r) ? OK : ERR_MALFORMED;
    if (err == OK) {
        struct hash root;
        block.ids = items_of(block.txs, block.header.tx_count);
        merkle_root(&root, block.ids, block.header.tx_count);
        err = memcmp(root.bytes, block.header.tx_root.bytes, sizeof root.bytes) == 0 ? OK : ERR_INVALID;
    }
    if (err == OK)
        *out = block;
    else
        block_free(&block);
    return err;
}

void block_free(struct block *block) {
    free(block->txs);
    free(block->ids);
    *block = (struct block){0};
}

struct tx_id block_tx_id(const struct block *block, uint32_t index) {
    ASSERT(index < block->header.tx_count);
    struct tx_id id;
    memcpy(id.bytes, block->ids[index].bytes, sizeof id.bytes);
    return id;
}

void block_encode(struct buf *out, struct block_header *header, const struct span *txs, uint32_t tx_count) {
    ASSERT(tx_count <= BLOCK_TXS_MAX);
    size_t before = out->n;
    header->tx_count = tx_count;
    block_tx_root(&header->tx_root, txs, tx_count);
    block_header_encode(buf_extend(out, BLOCK_HEADER_BYTES), header);
    for (uint32_t i = 0; i < tx_count; i++) {
        ASSERT(txs[i].n >= 1 && txs[i].n <= TX_BYTES_MAX);
        store_u32(buf_extend(out, TX_LENGTH_BYTES), (uint32_t)txs[i].n);
        buf_append(out, txs[i]);
    }
    ASSERT(out->n - before <= BLOCK_BYTES_MAX);
}
