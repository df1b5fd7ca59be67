// Following the directory: every node holds the newest ones, checks what it is given, and knows when to ask again.
// The signer stands behind one interface (directory/authority.h now, the ledger later).
#ifndef SOTTO_DIRECTORY_FOLLOW_H
#define SOTTO_DIRECTORY_FOLLOW_H

#include "base/step.h"
#include "directory/directory.h"

struct follow;

struct follow *follow_new(const struct genesis *genesis); // genesis outlives it
void follow_free(struct follow *follow);
// Takes up what the store holds (keys under KV_SPACE_DIRECTORY); call once at start.
void follow_load(struct follow *follow, struct step *step);
// Takes a directory from anybody. OK: it was new and is kept (durably). ERR_EXISTS: one of that epoch is held already.
// ERR_EXPIRED: older than the one in force, or no longer valid. ERR_EPOCH: from a future epoch beyond the next one.
// ERR_NETWORK, ERR_AUTH, ERR_MALFORMED.
enum err follow_take(struct follow *follow, struct step *step, struct span bytes);
// What such an error means, for logs and users.
const char *follow_refusal_text(enum err err);
// The directory in force: that of the current epoch, or the newest still valid one; NULL: none.
struct directory *follow_current(const struct follow *follow, uint64_t wall_ms);
// What a node without one in force waits for, for a user to read; NULL when there is one.
const char *follow_why_none(const struct follow *follow, uint64_t wall_ms);
// The directory of exactly that epoch if held (the newest, or up to three before it), or NULL.
struct directory *follow_epoch(const struct follow *follow, uint32_t epoch);
struct directory *follow_newest(const struct follow *follow); // maybe that of the next epoch; NULL: none
// Whether to ask a peer for a directory now: that of the current epoch, or from 1/6 epoch before the next begins that
// one; then with backoff. All is jittered by the generator so that nodes do not ask in step. *epoch 0: the newest there
// is.
bool follow_wants(struct follow *follow, struct step *step, uint32_t *epoch);
// When to call follow_wants again, in mono_ms; set by follow_wants and follow_take.
uint64_t follow_next_ms(const struct follow *follow);

#endif
