// End-to-end sealing: what one person's client says to another's, as an item that only the recipient can open.
//
//   item    commitment 32 = H("sotto delivery", s) | Noise X of the letter, 1,472
//   letter  version 1 | kind 1 | message id 16 | stream 8 | sequence 8 | floor 8 | gap expiry 8 | s 32 |
//           card: identity 32, request mailbox 32, proof 64 | reply mailbox 32 | reply token 32 | reply version 8 |
//           length 2 | text or acknowledged ids 1,024 | zeros 68                                   = 1,376
//
// Noise_X_25519_ChaChaPoly_SHA256 with the prologue "sotto item 1" | network | mailbox | expiry. Every letter has one
// length, so every item has. This file is the seam at which sessions with forward secrecy take over.
#ifndef SOTTO_CLIENT_SEAL_H
#define SOTTO_CLIENT_SEAL_H

#include "client/store.h"
#include "crypto/noise.h"

struct letter {
    enum letter_kind kind;
    struct message_id id; // of a text; an acknowledgement's own
    uint64_t stream;      // a sender's count of sequences starts anew with a greater stream
    uint64_t sequence;    // of texts, from 1
    uint64_t floor; // all sequences of the stream below it are settled: do not wait for them; 1 <= floor <= sequence
    uint64_t gap_expiry_ms; // by then all unsettled texts before it have expired
    uint8_t secret[DELIVERY_SECRET_BYTES];
    struct card card; // the sender; dh is what Noise authenticated
    struct mailbox_id reply_mailbox;
    struct write_token reply_token;
    uint64_t reply_version; // the newest reply mailbox holds
    struct span text;       // of an acknowledgement: n x 16 bytes of message ids
};

#define LETTER_BYTES (ITEM_SEALED_BYTES - NOISE_X_OVERHEAD_BYTES)

// Where an item lies; bound into it.
struct item_place {
    const struct network_id *network;
    const struct mailbox_id *mailbox;
    uint64_t expiry_ms;
};

// The signature by which an identity owns an X25519 key and a request mailbox.
void card_sign(struct signature *out, const struct card *card, const struct network_id *network,
               const struct sign_secret *identity);

// letter->card.dh must be the public half of `sender`. `proof` is card_sign's. ERR_AUTH: recipient is a bad point.
enum err seal_item(uint8_t item[static ITEM_BYTES], const struct letter *letter, const struct signature *proof,
                   const struct dh_secret *sender, const struct dh_public *recipient, const struct item_place *place,
                   struct rng *rng);
// ERR_AUTH: not for this key or place, changed, or a proof that does not hold. ERR_MALFORMED: sealed rightly, but not a
// letter, or the commitment is not to its secret. `plain` holds what letter->text points into.
enum err seal_open(struct letter *out, uint8_t plain[static LETTER_BYTES], const uint8_t item[static ITEM_BYTES],
                   const struct dh_secret *recipient, const struct item_place *place);

#endif
