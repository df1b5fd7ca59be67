// What ledger links carry: bodies of frames, as codecs. The frame itself (length, kind) is the node's.
// docs/spec/ledger.md, "Frames", is the specification. Spans of decoded bodies point into the frame.
#ifndef SOTTO_LEDGER_MESSAGE_H
#define SOTTO_LEDGER_MESSAGE_H

#include "ledger/block.h"
#include "ledger/state.h"
#include "ledger/vote.h"
#include "wire/address.h"
#include "wire/directory.h"

enum ledger_frame {
    // Anybody's, within limits by address.
    FRAME_STATUS = 16,       // where the sender stands; on opening, and when its head has moved
    FRAME_GET_BLOCK = 17,    // height 8
    FRAME_BLOCK = 18,        // height 8 | block and certificate, or nothing: not held
    FRAME_GET_RANGE = 19,    // from 8 | count 2
    FRAME_RANGE = 20,        // from 8 | blocks with certificates, as many as fit, from `from` on; none: not held
    FRAME_GET_HEADERS = 21,  // from 8 | count 2
    FRAME_HEADERS = 22,      // from 8 | headers with certificates
    FRAME_GET_LIGHT = 23,    // height 8: what a light client needs to trust that height
    FRAME_LIGHT = 24,        // height 8 | header, certificate, validator sets of this height and the next, or nothing
    FRAME_TXS = 25,          // transactions on their way to the proposers
    FRAME_SUBMIT = 26,       // one transaction whose sender wants to hear what became of it
    FRAME_SUBMITTED = 27,    // its id 32 | verdict 1
    FRAME_GET_PEERS = 28,    // empty
    FRAME_PEERS = 29,        // who can be dialled: the sender, unasked, or those that it has links to
    FRAME_MEMBER = 30,       // proves that the sender holds a validator's key
    FRAME_GET_STANDING = 31, // relay 32 | operator 32, zeros: of no interest
    FRAME_STANDING = 32,     // how the two stand, as the asked node has it: not proved
    FRAME_GET_DELIVERY = 33, // relay 32 | epoch 4
    FRAME_DELIVERY = 34,     // what it claims of that epoch, as the asked node has it: not proved
    // Members' only: those who have proved to hold the key of a validator.
    FRAME_PROPOSAL = 48,
    FRAME_VOTE = 49,
    FRAME_HEARD = 50,     // who was heard for what in a round: heard.h
    FRAME_STATEMENT = 51, // a vote or a proposal that contradicts what the receiver has heard
};

#define FRAME_MEMBERS_FIRST FRAME_PROPOSAL
#define RANGE_COUNT_MAX 512
#define HEADERS_COUNT_MAX 1024
#define PEERS_MAX 32
#define TXS_BYTES_MAX (64 * 1024)
#define ANSWER_BYTES_MAX (1024 * 1024) // of a range or of headers: what goes beyond is asked for again

struct peer_status {
    uint64_t height; // of the head, 0: genesis
    struct block_id head;
    uint64_t first_height; // of the blocks it can serve
};

#define STATUS_BYTES (8 + 32 + 8)

size_t peer_status_encode(uint8_t out[static STATUS_BYTES], const struct peer_status *status);
enum err peer_status_decode(struct peer_status *out, struct span body);

#define GET_HEIGHT_BYTES 8
#define GET_SPAN_BYTES 10

size_t get_height_encode(uint8_t out[static GET_HEIGHT_BYTES], uint64_t height); // GET_BLOCK, GET_LIGHT
enum err get_height_decode(uint64_t *height, struct span body);
// GET_RANGE, GET_HEADERS; count is 1 to count_max.
size_t get_span_encode(uint8_t out[static GET_SPAN_BYTES], uint64_t from, uint16_t count);
enum err get_span_decode(uint64_t *from, uint16_t *count, struct span body, uint16_t count_max);

// A height and what was found there: BLOCK, LIGHT; also the beginning of RANGE and HEADERS.
void found_encode(struct buf *out, uint64_t height, struct span found);
enum err found_decode(uint64_t *height, struct span *found, struct span body);

// Parts with their lengths, one after the other: block and certificate in BLOCK; those pairs in RANGE; header and
// certificate pairs in HEADERS; transactions in TXS.
void part_append(struct buf *out, struct span part);       // length 4 | part
struct span part_read(struct reader *r, size_t bytes_max); // fails the reader when it is longer, or empty

// What a light client needs to judge a height, as in LIGHT.
struct light_block {
    struct block_header header;
    struct certificate certificate;
    struct validator_set validators; // of this height; those of the next are passed over: its own header names them
};

enum err light_block_decode(struct light_block *out, struct span found); // ERR_MALFORMED

struct peer_address {
    uint8_t key[32];
    struct address address;
};

void peers_encode(struct buf *out, const struct peer_address *peers, size_t count);
enum err peers_decode(struct peer_address out[static PEERS_MAX], size_t *count, struct span body);

// Proof of membership: the validator's key, and its signature over the identities of both ends of the link, so that it
// is of no use on any other. A peer without an identity counts as zeros.
struct member {
    struct sign_public key;
    struct signature signature; // domain "sotto member 1", network, sender's identity, receiver's identity
};

#define MEMBER_BYTES (32 + 64)

size_t member_encode(uint8_t out[static MEMBER_BYTES], const struct member *member);
enum err member_decode(struct member *out, struct span body);
// What is signed: network, sender, receiver; under MEMBER_DOMAIN.
#define MEMBER_DOMAIN "sotto member 1"
enum err member_verify(const struct member *member, const struct network_id *network, const struct relay_id *from,
                       const struct relay_id *to); // ERR_AUTH

// How an account stands at the head.
struct account_standing {
    uint64_t nonce;      // of its next transaction in a block
    uint64_t next_nonce; // ... after those that wait
    uint64_t balance;
};

#define ACCOUNT_STANDING_BYTES (3 * 8)

// What a relay has to know of itself to keep up its registration.
//
//   operator's account 24 | relay's account 24 | bits 1 | if registered: address | onion keys
struct relay_standing {
    struct account_standing operator;
    struct account_standing relay;
    bool registered;
    bool retired;
    bool free_update;        // an update in this epoch costs nothing
    struct address address;  // of a registered one
    struct onion_keys onion; // likewise
};

#define GET_STANDING_BYTES 64
#define RELAY_STANDING_BYTES_MAX (2 * ACCOUNT_STANDING_BYTES + 1 + ADDRESS_BYTES_MAX + ONION_KEYS_BYTES)

size_t get_standing_encode(uint8_t out[static GET_STANDING_BYTES], const struct relay_id *relay,
                           const struct account_id *operator); // NULL: of no interest
enum err get_standing_decode(struct relay_id *relay, struct account_id *operator, struct span body);
size_t relay_standing_encode(uint8_t out[static RELAY_STANDING_BYTES_MAX], const struct relay_standing *standing);
enum err relay_standing_decode(struct relay_standing *out, struct span body); // ERR_MALFORMED

// What a relay has to know to claim its deliveries of an epoch.
//
//   epoch 4 | nonce 8 | next nonce 8 | has 1 | if it has: the entry, as in the state
struct relay_delivery {
    uint32_t epoch;
    uint64_t nonce;      // of its account's next transaction in a block
    uint64_t next_nonce; // ... after those that wait
    bool has;
    struct delivery_record record;
};

#define GET_DELIVERY_BYTES 36
#define RELAY_DELIVERY_BYTES_MAX (4 + 8 + 8 + 1 + DELIVERY_VALUE_BYTES_MAX)

size_t get_delivery_encode(uint8_t out[static GET_DELIVERY_BYTES], const struct relay_id *relay, uint32_t epoch);
enum err get_delivery_decode(struct relay_id *relay, uint32_t *epoch, struct span body);
size_t relay_delivery_encode(uint8_t out[static RELAY_DELIVERY_BYTES_MAX], const struct relay_delivery *delivery);
enum err relay_delivery_decode(struct relay_delivery *out, struct span body); // ERR_MALFORMED

#define SUBMITTED_BYTES 33

size_t submitted_encode(uint8_t out[static SUBMITTED_BYTES], const struct tx_id *id, uint8_t verdict);
enum err submitted_decode(struct tx_id *id, uint8_t *verdict, struct span body);

#endif
