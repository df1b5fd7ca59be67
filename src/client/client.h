// The user role: contacts, an outbox that survives, paths through the relays, mailboxes of one's own, end-to-end
// sealing.
//
//   request -> outbox (durable) -> seal -> store packet -> receipts verified -> acknowledgement item -> settled
//   push or fetch reply -> open -> commit -> acknowledge, delete -> shown
#ifndef SOTTO_CLIENT_CLIENT_H
#define SOTTO_CLIENT_CLIENT_H

#include "base/step.h"
#include "client/request.h"
#include "directory/directory.h"

struct client_config {
    const struct genesis *genesis; // outlives the client
    uint8_t identity_seed[32];     // everything of the account derives from it
    enum profile profile;          // genesis' or the user's own choice
    uint64_t poll_interval_ms;     // without a push for so long: poll (60 s)
    uint32_t packets_per_s;        // at most so many to the entries; 0: what relays allow by default
};

struct client_ports {
    void *ctx;
    // An onion packet to one of the client's entries, over its link.
    void (*send)(void *ctx, struct step *step, const struct relay_id *entry,
                 const uint8_t packet[static SPHINX_PACKET_BYTES]);
    // Asks for a link to an entry to be held open (dialled, redialled with backoff) or let go.
    void (*hold)(void *ctx, struct step *step, const struct relay_id *entry, bool wanted);
    // Registers exactly these handles on that link.
    void (*handles)(void *ctx, struct step *step, const struct relay_id *entry, const struct handle *handles,
                    size_t count);
    // Asks for a directory of at least that epoch (a relay has said that ours is old). May be NULL.
    void (*want_directory)(void *ctx, struct step *step, uint32_t epoch);
    void (*answer)(void *ctx, struct step *step, struct client_answer *answer); // takes what it holds
    void (*notify)(void *ctx, struct step *step, uint64_t watch, const struct message_record *message,
                   const struct request_record *request); // one of the two is NULL
};

struct client;

struct client *client_new(const struct client_config *config, const struct client_ports *ports);
void client_free(struct client *client);
void client_start(struct client *client, struct step *step); // loads its state (a job); requests wait for it
bool client_ready(const struct client *client);              // has a directory, an entry link, subscriptions in place
void client_set_directory(struct client *client, struct step *step, struct directory *current,
                          struct directory *previous);
void client_link_up(struct client *client, struct step *step, const struct relay_id *entry);
void client_link_down(struct client *client, struct step *step, const struct relay_id *entry);
void client_reply(struct client *client, struct step *step, const struct surb_id *surb,
                  uint8_t payload[static SPHINX_PAYLOAD_BYTES]);
void client_request(struct client *client, struct step *step, const struct client_request *request);
void client_request_gone(struct client *client, struct step *step, uint64_t id); // a watch or a parked one ends
void client_job_done(struct client *client, struct step *step, struct job *job); // takes the job
void client_tick(struct client *client, struct step *step);
uint64_t client_next_ms(const struct client *client);

#endif
