// The node's own state: links, the relays it keeps links to, the directory it follows, and the parts of its roles.
// For files of src/node/ only.
#ifndef SOTTO_NODE_NODE_INTERNAL_H
#define SOTTO_NODE_NODE_INTERNAL_H

#include "client/client.h"
#include "directory/addresses.h"
#include "directory/follow.h"
#include "ledger/claims_link.h"
#include "ledger/ledger.h"
#include "ledger/light.h"
#include "ledger/standing.h"
#include "ledger/stones.h"
#include "mailbox/mailbox.h"
#include "node/claiming.h"
#include "node/ledger_links.h"
#include "node/link.h"
#include "node/node.h"
#include "node/peer.h"
#include "relay/relay.h"
#include "wire/message.h"

// Dials of the ledger that are under way, by the number of the dial.
struct ledger_dials {
    size_t count;
    struct {
        uint64_t dial;
        struct relay_id id;
    } dials[LEDGER_DIALS_MAX];
};

// Where relays say they are between two directories.
struct addressing {
    struct addresses *records;
    struct address_record own; // the last that this relay has signed; signed_ms 0: none
    uint64_t own_look_ms;      // mono_ms of the next look at whether it is to sign one
    bool own_late;             // it cannot: its clock is behind its last one
    bool wanted;               // relays may have moved that we know nothing of
    bool failing;              // a dial has failed since the last answer; of a user: with no link left
    unsigned asks;             // in a row; of a user: with no link left
    uint64_t ask_ms;           // mono_ms: not before
};

// Links of the ledger that parts other than the ledger itself have, one each.
enum ledger_line_of { LINE_STANDING, LINE_CLAIMS, LINE_STONES, LEDGER_LINES };

// What the part wants to be told; `frame` returns an error when the link is to be closed, which `down` then tells.
struct ledger_line_part {
    void (*up)(struct node *node, struct step *step);
    void (*down)(struct node *node, struct step *step);
    enum err (*frame)(struct node *node, struct step *step, uint8_t kind, struct span body);
};

struct ledger_line {
    struct ledger_line_part part;
    uint64_t dial; // under way, 0: none
    uint64_t link; // 0: none
};

struct node {
    struct node_config config;
    struct env *env;
    struct sign_secret identity;
    struct relay_id self; // zeros, which is no key, when the node is a user's only
    uint8_t boot_id[32];
    bool started;
    bool stopping;

    struct link_table links;
    struct ledger_links ledger_links;
    struct peer_table peers;
    uint64_t next_dial;
    uint64_t redial_ms; // mono_ms of the next dial that is due, or earlier

    // The client's entries.
    bool entry_untold; // it has yet to hear that one of them is up
    bool self_entry_untold;
    struct handle_set self_handles; // registered by it here

    struct follow *follow;
    struct addressing addressing;
    struct light *light;         // what proves directories
    struct stones *stones;       // fetches what it lacks; NULL: the ledger is here
    struct buf bundle_waiting;   // the directory that stepping stones are fetched for
    bool light_forked;           // a fork was seen: nothing is taken
    uint64_t checkpoint_ms;      // mono_ms at which the block of the checkpoint is asked for again
    struct directory *directory; // what the parts were last given; own reference
    struct directory *previous;  // of the epoch before it, or NULL; own reference
    uint64_t next_epoch_ms;      // wall_ms at which the directory in force may change

    struct relay *relay;     // relay, or NULL
    struct mailbox *mailbox; // with relay, or NULL
    struct client *client;   // user, or NULL
    struct ledger *ledger;   // validator, or NULL
    struct ledger_dials ledger_dials;
    struct ledger_line lines[LEDGER_LINES];
    struct standing *standing; // with relay, or NULL
    struct claiming *claiming; // with relay, or NULL
    struct claims_link *claims_link;

    uint64_t announced_ask_ms;  // mono_ms of the last question that an announcement led to
    uint64_t refusal_silent_ms; // mono: until then no refused directory is logged
    uint64_t housekeeping_ms;   // mono_ms of the next look at silent links
    uint64_t tick_ms;           // mono_ms of the next replication tick, TIME_NEVER without ticks
    uint64_t timer_ms;          // as last set

    // The step under way.
    struct effects *effects;
};

// sending.c: cells and messages out, within the host's window and the link's queue.
void send_message(struct node *node, struct step *step, struct link *link, struct span message);
// A packet or reply cell. `immediate`: does not wait for this step's sync. Dropped and counted when the queue is full.
void send_cell(struct node *node, struct step *step, struct link *link, enum cell_kind kind, struct span body,
               bool immediate);
void send_reply_cell(struct node *node, struct step *step, struct link *link, const struct surb_id *surb,
                     const uint8_t payload[static SPHINX_PAYLOAD_BYTES]);
// `first`: the one that opens the link. It waits for no sync, so that nothing can overtake it.
void send_hello(struct node *node, struct step *step, struct link *link, bool first);
// To a relay: over its link if there is one, else kept for the link being dialled. To this node itself: through the
// host.
void send_packet_to_relay(struct node *node, struct step *step, const struct relay_id *relay,
                          const uint8_t packet[static SPHINX_PACKET_BYTES], bool immediate);
// A replica message: leaves with the next tick where the network has ticks.
void send_message_to_relay(struct node *node, struct step *step, const struct relay_id *relay, struct span message);
// Moves all of a queue onto a link (dropped if that link is gone).
void send_queue(struct node *node, struct step *step, uint64_t link_id, struct outgoing_queue *queue);
void sending_drained(struct node *node, struct step *step, struct link *link);
// Closes and forgets a link; `link` is gone afterwards.
void close_link(struct node *node, struct step *step, struct link *link, enum close_reason reason);
// The link is no more, whoever ended it: everybody concerned is told, and it is freed.
void link_ended(struct node *node, struct step *step, struct link *link, enum close_reason reason);

// receiving.c: bytes in, cell by cell.
void receive_bytes(struct node *node, struct step *step, struct link *link, struct span bytes);
void receive_self(struct node *node, struct step *step, struct span bytes);

// relays.c: the links to relays: dialling, redialling, and what follows when they come and go.
void relays_opened(struct node *node, struct step *step, struct link *link); // hello received
void relays_closed(struct node *node, struct step *step, const struct link *link, enum close_reason reason);
void relays_dial_failed(struct node *node, struct step *step, uint64_t dial, enum close_reason reason);
void relays_directory_changed(struct node *node, struct step *step);
void relays_moved(struct node *node, struct step *step, const struct relay_id *relay); // it has a new address
// A user's node has asked what it wanted to: the link ends unless it is an entry's or a directory is awaited.
void relays_asked(struct node *node, struct step *step, struct link *link);
void relays_tick(struct node *node, struct step *step); // dials that are due; replication ticks
uint64_t relays_next_ms(const struct node *node);
// Wants a link to a relay that the directory or genesis knows, dialled now unless backing off. NULL: unknown relay.
struct peer *relays_want(struct node *node, struct step *step, const struct relay_id *relay);
bool relays_is_listed(const struct node *node, const struct relay_id *relay);
bool relays_is_seed(const struct node *node, const struct relay_id *relay);
bool relays_seeds_refuse(const struct node *node); // a TLS handshake with one of them failed last
// A link that no limits of clients apply to: one that we made, or that of a relay in the directory.
bool relays_is_trusted(const struct node *node, const struct link *link);
// A link for the client, dialled again when lost, until it is let go.
void relays_hold(struct node *node, struct step *step, const struct relay_id *entry);
void relays_let_go(struct node *node, struct step *step, const struct relay_id *entry);
void relays_tell_client(struct node *node, struct step *step); // which of its links have come up in this step

// Whether it shows others who it is: a user's node has no identity of its own.
static inline bool node_has_identity(const struct node *node) {
    return (node->config.roles & (ROLE_RELAY | ROLE_BOOTSTRAP | ROLE_VALIDATOR)) != 0;
}

// Whether others come to this node for what it holds: a directory, at least.
static inline bool node_serves(const struct node *node) {
    return (node->config.roles & ~(unsigned)ROLE_USER) != 0;
}

// light_role.c: the proof of directories.
void light_role_new(struct node *node, struct follow_verifier *verifier);
void light_role_free(struct node *node);
void light_role_start(struct node *node, struct step *step); // before any directory is taken
void light_role_tick(struct node *node, struct step *step);
uint64_t light_role_next_ms(const struct node *node);
// What others may trust if they trust this node: no newer than the newest directory, so that they can take that one.
void light_role_checkpoint(const struct node *node, struct checkpoint *out);
const char *light_role_waits_for(const struct node *node); // for a person; NULL: nothing

// following.c: the directory: asking, taking, announcing, serving.
void following_start(struct node *node, struct step *step);
void following_hello(struct node *node, struct step *step, struct link *link, uint32_t epoch);
void following_asked(struct node *node, struct step *step, struct link *link, struct span message);    // a question
void following_answered(struct node *node, struct step *step, struct link *link, struct span message); // a directory
void following_tick(struct node *node, struct step *step);
// This node's ledger has fixed a directory: it is taken without a proof, and announced.
void following_issued(struct node *node, struct step *step, struct span bundle);
// What was to be known of a directory that waited is known (`proved`), or could not be had.
void following_judged(struct node *node, struct step *step, struct span bundle, bool proved);
// Somebody has named a directory of that epoch: asks for it unless it is held.
void following_want(struct node *node, struct step *step, uint32_t epoch);
uint64_t following_next_ms(const struct node *node);

// addressing.c: relays that move between two directories: saying so, passing it on, asking.
void addressing_start(struct node *node, struct step *step); // before any directory is taken
void addressing_directory_changed(struct node *node, struct step *step);
void addressing_link_up(struct node *node, struct step *step, struct link *link); // of a relay or a seed, greeted
void addressing_dial_failed(struct node *node, struct step *step);                // to any relay
void addressing_message(struct node *node, struct step *step, struct link *link, struct span message);
// Where the relay says it is; NULL: it has said nothing since the directory was made.
const struct address *addressing_of(const struct node *node, const struct relay_id *relay);
void addressing_tick(struct node *node, struct step *step);
uint64_t addressing_next_ms(const struct node *node);

// roles.c: the ports between the node and its parts.
enum err roles_new(struct node *node, struct buf *why);
void roles_free(struct node *node);
void roles_start(struct node *node, struct step *step, bool unclean_restart);
void roles_directory_changed(struct node *node, struct step *step);
void roles_tick(struct node *node, struct step *step);
uint64_t roles_next_ms(const struct node *node);
void roles_job_done(struct node *node, struct step *step, struct job *job);

// node.c: for a part that cannot go on: what it would have to rely on is damaged or missing. The process ends with the
// text, and nothing of this step leaves but what is immediate.
void node_give_up(struct node *node, const char *why);

// ledger_role.c: the ports between the ledger and its links.
void ledger_role_new(struct node *node);
void ledger_role_start(struct node *node, struct step *step, struct span log); // after following_start

// ledger_lines.c: those links. Whoever wants one dials, and hears of it through its functions.
void ledger_line_new(struct node *node, enum ledger_line_of of, const struct ledger_line_part *part);
bool ledger_line_dial(struct node *node, struct step *step, enum ledger_line_of of, const struct relay_id *id,
                      const struct address *address); // false: not now
void ledger_line_send(struct node *node, struct step *step, enum ledger_line_of of, enum ledger_frame kind,
                      struct span body);
void ledger_line_hang_up(struct node *node, struct step *step,
                         enum ledger_line_of of); // also one being made; `down` is not called
// False: none of these links or dials.
bool ledger_lines_opened(struct node *node, struct step *step, const struct ledger_peer *peer);
bool ledger_lines_frame(struct node *node, struct step *step, uint64_t link, uint8_t kind, struct span body);
bool ledger_lines_closed(struct node *node, struct step *step, uint64_t link);
bool ledger_lines_dial_failed(struct node *node, struct step *step, uint64_t dial);

// standing_role.c: a relay's registration.
void standing_role_new(struct node *node);
void standing_role_tick(struct node *node, struct step *step);

// claiming_role.c: what a relay claims for its deliveries.
void claiming_role_new(struct node *node, uint32_t deliveries_max);
void claiming_role_free(struct node *node);
void claiming_role_tick(struct node *node, struct step *step);
uint64_t claiming_role_next_ms(const struct node *node);

// status.c
bool node_ready(const struct node *node, const struct now *now, const char **waiting_for);
void node_status_of(const struct node *node, const struct now *now, struct node_status *out);

#endif
