// A relay's claims on a ledger link: asks a validator for the relay's entry of an epoch, and submits what it is given
// under the relay's next nonces.
//
//   ask -> dials a seed -> GET_DELIVERY -> DELIVERY -> the entry, unless something of the relay's still waits for a
//   block
//                             submit -> SUBMIT ... SUBMITTED -> idle -> hangs up when nothing more comes
//
// What a validator says is not proved; each link goes to another seed than the one before.
#ifndef SOTTO_LEDGER_CLAIMS_LINK_H
#define SOTTO_LEDGER_CLAIMS_LINK_H

#include "base/step.h"
#include "ledger/message.h"
#include "ledger/tx.h"

struct claims_link_config {
    const struct genesis *genesis;   // outlives it
    const struct sign_secret *relay; // the relay's identity; outlives it
    struct relay_id self;            // its public key
};

struct claims_link_ports {
    void *ctx;
    // Wants a ledger link to a seed: claims_link_up or claims_link_down follows. False: not now.
    bool (*dial)(void *ctx, struct step *step, const struct relay_id *id, const struct address *address);
    void (*send)(void *ctx, struct step *step, enum ledger_frame kind, struct span body);
    void (*hang_up)(void *ctx, struct step *step); // the link is wanted no more; claims_link_down does not follow
    void (*record)(void *ctx, struct step *step, uint32_t epoch, const struct delivery_record *record); // NULL: none
};

struct claims_link;

struct claims_link *claims_link_new(const struct claims_link_config *config, const struct claims_link_ports *ports);
void claims_link_free(struct claims_link *link);       // NULL is fine
bool claims_link_idle(const struct claims_link *link); // nothing that was submitted is still to be answered
// The answer goes to the port `record`, or nothing does. At most two epochs wait to be asked.
void claims_link_ask(struct claims_link *link, struct step *step, uint32_t epoch);
// Kind and body; lost when the link is gone meanwhile.
void claims_link_submit(struct claims_link *link, struct step *step, const struct tx *what);
void claims_link_up(struct claims_link *link, struct step *step);   // the link that was dialled stands
void claims_link_down(struct claims_link *link, struct step *step); // it is lost, or was never made
// ERR_MALFORMED: the link should be closed. Frames that are not for it are passed over.
enum err claims_link_frame(struct claims_link *link, struct step *step, uint8_t kind, struct span body);
void claims_link_tick(struct claims_link *link, struct step *step);
uint64_t claims_link_next_ms(const struct claims_link *link);

#endif
