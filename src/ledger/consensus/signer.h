// What a validator signs with: the consensus key, behind a memory of what it has signed, so that no crash, no restart
// and no mistake of the code around it makes it sign two things for one slot (which others could punish).
//
// A slot is (height, round, step), ordered in this way. The signer signs for slots in rising order only; for the slot
// signed last it gives the same signature for the same message and nothing for another. Each signature is a record of
// the log (wal.h), synced in the step that makes it, so that the signature leaves the node when the record is on disk:
//
//   body   consensus key 32 | round 4 | step 1 | signature 64 | message (the rest)
//
// The record of the slot signed last is carried over when the log is reset. A key whose network has decided blocks but
// of which the log knows nothing has lost its memory: it must not sign.
//
// A key that begins with nothing, store and log empty, may be new, or have lost both. It is *blank*: it signs nothing
// until signer_admit says from which height on it cannot have signed before (rejoin.c finds that out).
#ifndef SOTTO_LEDGER_CONSENSUS_SIGNER_H
#define SOTTO_LEDGER_CONSENSUS_SIGNER_H

#include "ledger/consensus/wal.h"
#include "wire/ids.h"

#define SIGNER_MESSAGE_BYTES_MAX 128 // a vote has 77, a proposal 80

// In the order in which a validator takes them in a round.
enum sign_step { SIGN_NOTHING = 0, SIGN_PROPOSAL = 1, SIGN_PREVOTE = 2, SIGN_PRECOMMIT = 3 };

struct sign_slot {
    uint64_t height;
    uint32_t round;
    enum sign_step step;
};

struct signer;

// Everything follows from the seed of the consensus key. It signs nothing before signer_start.
struct signer *signer_new(const uint8_t seed[static 32], const struct network_id *network);
void signer_free(struct signer *signer); // wipes the key; NULL is fine
const struct sign_public *signer_key(const struct signer *signer);

// Takes over a record of type WAL_SIGNER, in the order of the log; another key's is passed over. ERR_CORRUPT: no
// signature of this key, or slots that do not rise.
enum err signer_recover(struct signer *signer, const struct wal_record *record);
// After the log's records. `chain_begun`: the store holds a decided block. ERR_REFUSED: it does, and the log has no
// record of this key. Where neither has begun the first record is written.
enum err signer_start(struct signer *signer, struct step *step, bool chain_begun);

// Nothing signed, as far as is known, and not admitted.
bool signer_is_blank(const struct signer *signer);
// Of a blank signer: from that height on it signs. Logged and synced in this step.
void signer_admit(struct signer *signer, struct step *step, uint64_t from_height);
// It will sign nothing at that height: it is blank, or admitted from a later one on.
bool signer_is_silent(const struct signer *signer, uint64_t height);

// Signs network and message, under the domain of votes or of proposals ("sotto vote 1", "sotto proposal 1"), and logs
// it in this step. ERR_REFUSED: a slot before the last one signed, or another message for that one; or it is silent.
enum err signer_sign(struct signer *signer, struct step *step, struct signature *out, const struct sign_slot *slot,
                     struct span message);

// Signs what is neither vote nor proposal, under a domain of its own; it needs no memory.
void signer_sign_other(const struct signer *signer, struct signature *out, const char *domain, const struct span *parts,
                       size_t count);

// The last slot signed; step SIGN_NOTHING: none.
struct sign_slot signer_slot(const struct signer *signer);
// Resets the log to nothing but the signer's memory: what was logged is needed no more. Without a signer (NULL: a
// follower) to nothing.
void signer_reset_log(const struct signer *signer, struct step *step);

#endif
