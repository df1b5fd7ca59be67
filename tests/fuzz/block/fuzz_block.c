// Blocks (the first byte even), and blocks whose tx root is set here to that of their transactions (odd): what stands
// behind the check of the root.
#include "base/assert.h"
#include "fuzz.h"
#include "ledger/block.h"

#define TX_ROOT_AT 113
#define TX_COUNT_AT 145

// As far as the transactions can be told apart.
static void set_root(struct buf *bytes) {
    if (bytes->n < BLOCK_HEADER_BYTES)
        return;
    static struct span txs[BLOCK_TXS_MAX];
    struct reader r = reader_of(span_of(bytes->p + BLOCK_HEADER_BYTES, bytes->n - BLOCK_HEADER_BYTES));
    uint32_t count = 0;
    while (r.n > 0 && reader_ok(&r) && count < BLOCK_TXS_MAX)
        txs[count++] = read_span(&r, read_u32(&r));
    struct hash root;
    block_tx_root(&root, txs, count);
    store_u32(bytes->p + TX_COUNT_AT, count);
    for (size_t i = 0; i < sizeof root.bytes; i++)
        bytes->p[TX_ROOT_AT + i] = root.bytes[i];
}

static void check_proofs(const struct block *block) {
    for (uint32_t i = 0; i < block->header.tx_count && i < 8; i++) {
        struct hash hashes[MERKLE_PATH_MAX];
        struct merkle_path path = {hashes, block_tx_prove(hashes, block, i)};
        struct tx_id id;
        struct hash item;
        tx_id_of(&id, block->txs[i]);
        for (size_t j = 0; j < sizeof item.bytes; j++)
            item.bytes[j] = id.bytes[j];
        ASSERT(merkle_verify(&block->header.tx_root, block->header.tx_count, i, &item, path) == OK);
    }
}

static void check_block(struct span bytes) {
    struct block block;
    struct buf again = {0};
    if (block_decode(&block, bytes) != OK)
        return;
    check_proofs(&block);
    block_encode(&again, &block.header, block.txs, block.header.tx_count);
    ASSERT(span_equal(buf_span(&again), bytes));
    buf_free(&again);
    block_free(&block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    crypto_init();
    if (size == 0)
        return 0;
    struct buf bytes = {0};
    buf_append(&bytes, span_of(data + 1, size - 1));
    if ((data[0] & 1) != 0)
        set_root(&bytes);
    check_block(buf_span(&bytes));
    buf_free(&bytes);
    return 0;
}
