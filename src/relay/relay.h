// The onion hop: packets in; to the next relay, a client, or this relay's own mailboxes out.
//
//   packet -> peel job (batch) -> replay filter -> verdict: forward (after its delay), client, deliver, or a counted
//   drop
//
// Also this relay's onion keys, its cover traffic (loops), and the replay filter's life across restarts.
#ifndef SOTTO_RELAY_RELAY_H
#define SOTTO_RELAY_RELAY_H

#include "base/step.h"
#include "directory/directory.h"

struct relay_config {
    struct relay_id self;
    const struct genesis *genesis; // outlives the relay
    uint32_t packets_per_s;        // sizes the replay filter
    uint32_t delay_ms_max;         // longer delays are capped
    uint32_t delayed_packets_max;  // packets waiting for their delay; beyond it: dropped, counted
    uint32_t peel_queue_max;       // packets waiting to be peeled; beyond it: dropped, counted
    uint32_t jobs_max;             // peel jobs under way at once (the host's workers)
};

// Where packets go. Called during relay_* calls; must not call back into the relay.
struct relay_ports {
    void *ctx;
    void (*forward)(void *ctx, struct step *step, const struct relay_id *next,
                    const uint8_t packet[static SPHINX_PACKET_BYTES]); // may drop and count
    void (*to_client)(void *ctx, struct step *step, const struct handle *handle, const struct surb_id *surb,
                      const uint8_t payload[static SPHINX_PAYLOAD_BYTES]); // unknown handle: counted drop
    void (*deliver)(void *ctx, struct step *step, struct span body);       // a mailbox operation
};

struct relay;

// The memory of the replay filter is taken here. ERR_NO_MEMORY: it cannot hold packets_per_s x (epoch + overlaps).
enum err relay_new(struct relay **relay, const struct relay_config *config, const struct relay_ports *ports);
void relay_free(struct relay *relay);
// Takes up keys and replay tags (a job reads the tags; packets are refused until it is done). `unclean_restart`: the
// machine went down without a clean stop, so tags may be missing: the keys in use are destroyed, new ones begin with
// the next epoch.
void relay_start(struct relay *relay, struct step *step, bool unclean_restart);
bool relay_ready(const struct relay *relay);
// Onion keys to be registered with: this epoch and the next three (made and stored durably as needed).
void relay_onion_keys(struct relay *relay, struct step *step, struct onion_keys *out);
// The same for somebody who only asks: announces nothing.
void relay_show_onion_keys(struct relay *relay, struct step *step, struct onion_keys *out);
// The keys just changed, so that the new ones are to be announced (cleared by relay_onion_keys).
bool relay_keys_changed(const struct relay *relay);
void relay_set_directory(struct relay *relay, struct step *step,
                         struct directory *directory); // takes its own reference
// A packet from a link. The caller has applied the cheap limits.
void relay_packet(struct relay *relay, struct step *step, const uint8_t packet[static SPHINX_PACKET_BYTES]);
void relay_job_done(struct relay *relay, struct step *step, struct job *job); // takes the job
void relay_tick(struct relay *relay, struct step *step);
uint64_t relay_next_ms(const struct relay *relay); // mono_ms of the next deadline, TIME_NEVER if none

#endif
