// A relay's standing on the ledger, kept up by the relay itself: registered by its operator, its address and onion keys
// current, retired when its operator wants that. It asks a validator over a ledger link how it stands, submits the one
// transaction that is missing, and asks again until the ledger shows it.
//
//   rests -> dials a seed -> GET_STANDING -> STANDING -> nothing to do: rests until the keys change or an epoch passes
//                              ^                 |
//                              +- a while later -+- SUBMIT -> SUBMITTED
//
// What a validator says here is not proved; the directory in force is, and what contradicts it moves nobody to
// register. So the worst that a lie brings about is a transaction in vain, with its fee, or a relay that looks again
// some time later, elsewhere. Several relays of one operator may register at once: one nonce goes to one of them, the
// others take the next.
#ifndef SOTTO_LEDGER_STANDING_H
#define SOTTO_LEDGER_STANDING_H

#include "base/step.h"
#include "ledger/message.h"
#include "ledger/tx.h"

// What the relay's account begins with, in least fees: it pays for what is not free.
#define STANDING_DEPOSIT_FEES 100

struct standing_config {
    const struct genesis *genesis;   // outlives it
    const struct sign_secret *relay; // the relay's identity; outlives it
    struct relay_id self;            // its public key
    const uint8_t *operator_seed;    // 32 bytes, read by standing_new only; NULL: the operator registers the relay
    struct address address;          // where others reach it
    bool retiring;
};

// How the directory in force, which is proved, has this relay.
enum standing_listing {
    STANDING_UNLISTED, // not at all, or there is none of these days
    STANDING_LISTED,
    STANDING_RETIRED, // listed until its deliveries are settled
};

struct standing_ports {
    void *ctx;
    // Wants a ledger link to a seed: standing_up or standing_down follows. False: not now.
    bool (*dial)(void *ctx, struct step *step, const struct relay_id *id, const struct address *address);
    void (*send)(void *ctx, struct step *step, enum ledger_frame kind, struct span body);
    void (*hang_up)(void *ctx, struct step *step); // the link is wanted no more; standing_down does not follow
    void (*onion_keys)(void *ctx, struct step *step, struct onion_keys *out);
    enum standing_listing (*listing)(void *ctx, struct step *step);
};

struct standing;

struct standing *standing_new(const struct standing_config *config, const struct standing_ports *ports);
void standing_free(struct standing *standing);
void standing_start(struct standing *standing, struct step *step);
void standing_up(struct standing *standing, struct step *step);   // the link that was dialled stands
void standing_down(struct standing *standing, struct step *step); // it is lost, or was never made
// ERR_MALFORMED: the link should be closed. Frames that are not for it are passed over.
enum err standing_frame(struct standing *standing, struct step *step, uint8_t kind, struct span body);
void standing_keys_changed(struct standing *standing, struct step *step);
void standing_tick(struct standing *standing, struct step *step);
uint64_t standing_next_ms(const struct standing *standing);
// NULL: registered, by what a validator last said. Else what the relay waits for, for a person.
const char *standing_waits_for(const struct standing *standing);

#endif
