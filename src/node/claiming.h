// When a relay claims what it delivered: joins the mailbox's proofs of delivery to the ledger.
//
//   middle of e + 1   asks for the own entry of e; there is none: the epoch is closed, its batch made and submitted
//   sample drawn      the entry says so: the leaves that it names are opened
//   end of e + 2      over, whatever came of it
//
// Nothing is remembered but what the mailbox and the ledger have: it looks every sixtieth of an epoch at what is there,
// and submits what is missing, after a restart as before.
#ifndef SOTTO_NODE_CLAIMING_H
#define SOTTO_NODE_CLAIMING_H

#include "ledger/claims.h"
#include "mailbox/mailbox.h"

struct claiming_config {
    const struct genesis *genesis; // outlives the claiming, as does the mailbox
    struct mailbox *mailbox;
    uint32_t deliveries_max; // the mailbox's
};

struct claiming_ports {
    void *ctx;
    // Nothing that was submitted is on its way any more.
    bool (*idle)(void *ctx);
    // Wants the relay's entry for an epoch from the state of the newest final block, unproved: the worst that a lie
    // brings about is a transaction that the ledger refuses, or a look in vain. claiming_record follows, in a later
    // step, or nothing does.
    void (*ask)(void *ctx, struct step *step, uint32_t epoch);
    // Kind and body of a transaction, valid during the call; the rest is the callee's to add. It may get lost. Up to
    // SAMPLE_MAX come in one step.
    void (*submit)(void *ctx, struct step *step, const struct tx *what);
};

struct claiming;

struct claiming *claiming_new(const struct claiming_config *config, const struct claiming_ports *ports);
void claiming_free(struct claiming *claiming); // NULL is fine
// The entry that was asked for; NULL: the state has none.
void claiming_record(struct claiming *claiming, struct step *step, uint32_t epoch,
                     const struct delivery_record *record);
void claiming_job_done(struct claiming *claiming, struct step *step, struct job *job); // takes the job
void claiming_tick(struct claiming *claiming, struct step *step);
uint64_t claiming_next_ms(const struct claiming *claiming);

#endif
