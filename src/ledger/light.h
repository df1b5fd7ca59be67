// The light client: follows a ledger by headers and the certificates under them, without executing anything. Whoever
// holds a header that it trusts checks transactions and state entries by their proofs. docs/spec/ledger.md, "Light
// clients", is the specification; the rule for skipping is that of Tendermint (arXiv 1807.04938, and arXiv 2010.07031).
//
//   genesis        the validators of height 1 are known; that is what trust begins with, or a checkpoint
//     |  next header:  its validators are those that the trusted header announced; over 2/3 of them signed
//     |  a later one:  over 2/3 of its own validators signed, and among them over 1/3 of the trusted header's
//     v
//   trusted header, its validators
#ifndef SOTTO_LEDGER_LIGHT_H
#define SOTTO_LEDGER_LIGHT_H

#include "ledger/block.h"
#include "ledger/vote.h"

// How far ahead of the own clock a header may be: clocks of phones and laptops are as wrong as owners' requests may be.
#define LIGHT_AHEAD_MS (5 * MINUTE_MS)

// Why a header was taken, or what is missing. X(name, text)
#define LIGHT_LIST(X)                                                                              \
    X(LIGHT_TAKEN, "taken")                                                                        \
    X(LIGHT_KNOWN, "the trusted header itself")                                                    \
    X(LIGHT_NETWORK, "of another network")                                                         \
    X(LIGHT_OLDER, "older than the header that is trusted")                                        \
    X(LIGHT_EXPIRED, "what is trusted is older than the unbonding period: a checkpoint is needed") \
    X(LIGHT_AHEAD, "ahead of this clock: either clock is wrong")                                   \
    X(LIGHT_BETWEEN, "too few of the trusted validators signed it: a header between is needed")    \
    X(LIGHT_INVALID, "not a header that over two thirds of its validators signed")                 \
    X(LIGHT_FORK, "signed by over two thirds of its validators, and contradicts the header that is trusted")

enum light_result {
#define LIGHT_ENUM(name, text) name,
    LIGHT_LIST(LIGHT_ENUM)
#undef LIGHT_ENUM
};

const char *light_result_text(enum light_result result);

struct light {
    struct network_id network;
    uint64_t trust_ms;               // from the trusted header's time; UINT64_MAX: without limit (poa)
    struct block_header header;      // trusted; height 0 at genesis, where only time and validators are meant
    struct block_id id;              // of the header; zeros at genesis
    struct validator_set validators; // of the header's height; at genesis of height 1
};

// A block that somebody whom the user trusts has named.
struct checkpoint {
    uint64_t height; // 0: none
    struct block_id id;
};

// Trusts the genesis, which has a ledger.
void light_init(struct light *light, const struct genesis *genesis);
// Trusts a header because somebody whom the user trusts named its id. ERR_NETWORK; ERR_AUTH: the header has another id,
// or these are not its validators.
enum err light_checkpoint(struct light *light, const struct block_id *id, const struct block_header *header,
                          const struct validator_set *validators);
// Trusts a header by its certificate (precommits) and the validators of its height; `wall_ms` is the own clock. Nothing
// changes but with LIGHT_TAKEN. LIGHT_FORK is proof that over a third of some validators' power signed two blocks.
enum light_result light_update(struct light *light, const struct block_header *header,
                               const struct certificate *certificate, const struct validator_set *validators,
                               uint64_t wall_ms);

// What is trusted, for the own disk: header | validators. Not at genesis, whose text says it.
#define LIGHT_BYTES_MAX (BLOCK_HEADER_BYTES + VALIDATOR_SET_BYTES_MAX)
size_t light_encode(uint8_t out[static LIGHT_BYTES_MAX], const struct light *light);
// Goes on from there; the light client was initialised with the genesis. ERR_MALFORMED; ERR_NETWORK; ERR_AUTH: not the
// header's validators.
enum err light_restore(struct light *light, struct span bytes);

// ERR_AUTH unless the transaction stands at `index` in the trusted block.
enum err light_verify_tx(const struct light *light, const struct tx_id *id, uint32_t index, struct merkle_path path);
// ERR_AUTH unless the state before the trusted block, which is after its parent, has this value under this key (`value`
// NULL: nothing). ERR_MALFORMED: the proof is none.
enum err light_verify_state(const struct light *light, struct span key, const struct span *value, struct span proof);

#endif
