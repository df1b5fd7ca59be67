// Blocks: a header of fixed size, and transactions. docs/spec/ledger.md, "Blocks", is the specification.
//
//   header  version 1 | network 32 | height 8 | time_ms 8 | parent 32 | state root 32 | tx root 32 | tx count 4
//           | validators hash 32 | next validators hash 32 | epoch 4 | proposer 32
//   block   header | tx count x (length 4 | transaction)
#ifndef SOTTO_LEDGER_BLOCK_H
#define SOTTO_LEDGER_BLOCK_H

#include "crypto/merkle.h"
#include "ledger/ids.h"
#include "ledger/tx.h"

#define BLOCK_BYTES_MAX (1024 * 1024 - 64 * 1024) // with a certificate and framing still one stored value
#define BLOCK_TXS_MAX 4096

struct block_header {
    struct network_id network;
    uint64_t height; // 1 is the first
    uint64_t time_ms;
    struct block_id parent;      // zeros at height 1
    struct hash state_root;      // after the parent was executed
    struct hash tx_root;         // static Merkle root of the ids of the transactions
    uint32_t tx_count;           // at most BLOCK_TXS_MAX
    struct hash validators;      // hash of the set of this height
    struct hash next_validators; // and of the next one
    uint32_t epoch;              // of the directory; 0 before the first
    struct sign_public proposer;
};

#define BLOCK_HEADER_BYTES (1 + 32 + 8 + 8 + 32 + 32 + 32 + 4 + 32 + 32 + 4 + 32)

void block_header_write(struct writer *w, const struct block_header *header);
void block_header_read(struct reader *r, struct block_header *header); // fails the reader unless canonical
void block_header_encode(uint8_t out[static BLOCK_HEADER_BYTES], const struct block_header *header);
// ERR_MALFORMED: also height 0, more than BLOCK_TXS_MAX transactions, or none with a root that is not zero.
enum err block_header_decode(struct block_header *out, struct span bytes);
void block_id_of(struct block_id *out, const struct block_header *header); // H("sotto block 1", header)

// The transactions' bytes point into the block's, which the caller keeps.
struct block {
    struct block_header header;
    struct span *txs; // header.tx_count of them, of 1 to TX_BYTES_MAX bytes each, not looked into; owned
    struct hash *ids; // of each, as an item of the tree under the header's root; owned
};

// ERR_MALFORMED, also for one of more than BLOCK_BYTES_MAX bytes; ERR_INVALID: its transactions are not those of its
// header's root. The caller frees a block that was decoded.
enum err block_decode(struct block *out, struct span bytes);
void block_free(struct block *block);
struct tx_id block_tx_id(const struct block *block, uint32_t index); // of a block that was decoded
// Appends the block. Sets header->tx_count and header->tx_root, which follow from the transactions.
void block_encode(struct buf *out, struct block_header *header, const struct span *txs, uint32_t tx_count);
void block_tx_root(struct hash *out, const struct span *txs, uint32_t tx_count);
// Proof that transaction `index` is under the header's root. Returns the path's length.
size_t block_tx_prove(struct hash path[static MERKLE_PATH_MAX], const struct block *block, uint32_t index);

#endif
