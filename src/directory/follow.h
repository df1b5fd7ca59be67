// Following the directory: every node holds the newest ones, checks what it is given, and knows when to ask again.
// What proves one, the ledger's light client, stands behind a port.
#ifndef SOTTO_DIRECTORY_FOLLOW_H
#define SOTTO_DIRECTORY_FOLLOW_H

#include "base/step.h"
#include "directory/directory.h"

// A directory older than this is refused and no longer used, whatever the length of epochs; in a network of daily
// epochs two epochs, so that there is time to fetch the next.
#define DIRECTORY_MAX_AGE_MS DAY_MS

struct follow;

// What nodes pass around is a proof with the directory in it (docs/spec/directory.md); this reads and checks it.
struct follow_verifier {
    void *ctx;
    // The directory's epoch and its bytes, which point into `proof`. ERR_MALFORMED.
    enum err (*open)(struct span proof, uint32_t *epoch, struct span *directory);
    // OK: the network has made it. ERR_NETWORK, ERR_AUTH, ERR_EXPIRED, ERR_EPOCH, ERR_REFUSED, with a text for a
    // person.
    enum err (*verify)(void *ctx, struct step *step, struct span proof, const char **why);
};

struct follow *follow_new(const struct genesis *genesis, const struct follow_verifier *verifier); // genesis outlives it
void follow_free(struct follow *follow);
// Takes up what the store holds (keys under KV_SPACE_DIRECTORY); call once at start.
void follow_load(struct follow *follow, struct step *step);
// Takes a directory from anybody. OK: it was new and is kept (durably). ERR_EXISTS: one of that epoch is held already.
// ERR_EXPIRED: older than the one in force, or no longer valid. ERR_EPOCH: from a future epoch beyond the next one.
// ERR_NETWORK, ERR_AUTH, ERR_MALFORMED, ERR_REFUSED.
enum err follow_take(struct follow *follow, struct step *step, struct span bytes);
// The same from the ledger of this very node, which needs no proof.
enum err follow_take_own(struct follow *follow, struct step *step, struct span bytes);
// Why the last directory that was refused was, for logs and users.
const char *follow_refusal(const struct follow *follow);
// The directory in force: that of the current epoch, or the newest still valid one; NULL: none.
struct directory *follow_current(const struct follow *follow, uint64_t wall_ms);
// When it ceases to be valid, by the wall clock.
uint64_t follow_expiry_ms(const struct follow *follow, const struct directory *directory);
// What a node without one in force waits for, for a user to read; NULL when there is one.
const char *follow_why_none(const struct follow *follow, uint64_t wall_ms);
// The directory of exactly that epoch if held (the newest, or up to three before it), or NULL.
struct directory *follow_epoch(const struct follow *follow, uint32_t epoch);
struct directory *follow_newest(const struct follow *follow); // maybe that of the next epoch; NULL: none
// Whether to ask a peer for a directory now: one that is due and not held; then with backoff. All is jittered by the
// generator so that nodes do not ask in step. *epoch 0: the newest there is.
bool follow_wants(struct follow *follow, struct step *step, uint32_t *epoch);
// When to call follow_wants again, in mono_ms; set by follow_wants and follow_take.
uint64_t follow_next_ms(const struct follow *follow);

#endif
