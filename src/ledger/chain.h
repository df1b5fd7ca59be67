// The blocks that stand: by height, by id, by transaction, by account. One batch a block, with the state that it makes.
#ifndef SOTTO_LEDGER_CHAIN_H
#define SOTTO_LEDGER_CHAIN_H

#include "base/step.h"
#include "ledger/block.h"
#include "ledger/vote.h"

struct chain {
    uint64_t height; // of the head, 0: none but genesis
    uint64_t first;  // lowest height whose block is held; 1 unless pruned
    struct block_id id;
    struct block_header header; // the head's; zeros at height 0
    uint64_t keep_blocks;       // older ones are pruned, 0: none
};

// What became of one transaction: the account gets it into its history, sent or received.
struct chain_tx {
    struct tx_id id;
    struct account_id accounts[2];
    size_t account_count;
    uint8_t result;
};

// ERR_CORRUPT: the store is damaged.
enum err chain_load(struct chain *chain, struct step *step, uint64_t keep_blocks);
// The height that the store shows: one less than the head's in the step that appended it.
uint64_t chain_shown_height(struct kv *kv);
// Appends the next block. All writes are synced: what follows this step may say that the block is final.
// `txs` has header.tx_count entries.
void chain_append(struct chain *chain, struct step *step, const struct block_header *header, struct span block,
                  const struct certificate *certificate, const struct chain_tx *txs);

// ERR_NOT_FOUND: not held. Buffers come empty.
enum err chain_header(struct step *step, uint64_t height, struct block_header *header); // without reading its block
enum err chain_block(struct step *step, uint64_t height, struct buf *block);
enum err chain_certificate(struct step *step, uint64_t height, struct buf *certificate);
enum err chain_height_of(struct step *step, const struct block_id *id, uint64_t *height);
enum err chain_tx_place(struct step *step, const struct tx_id *id, uint64_t *height, uint32_t *index);
enum err chain_tx_result(struct step *step, uint64_t height, uint32_t index, uint8_t *result);
// The number of transactions in an account's history, and the one of a number below it.
uint64_t chain_tx_count(struct step *step, const struct account_id *account);
enum err chain_tx_of(struct step *step, const struct account_id *account, uint64_t number, struct tx_id *id);

// What a relay has been paid for since this node began to follow the chain: a record for people, not of the state.
void chain_earn(struct step *step, const struct relay_id *relay, uint64_t deliveries, uint64_t grains);
void chain_earned(struct step *step, const struct relay_id *relay, uint64_t *deliveries, uint64_t *grains);

// Validator sets by their hash, as headers name them.
void chain_put_set(struct step *step, const struct validator_set *set);
enum err chain_set(struct step *step, const struct hash *hash, struct validator_set *set);

#endif
