// Identifiers that cross links. Each is its own type so that one cannot stand for another.
#ifndef SOTTO_WIRE_IDS_H
#define SOTTO_WIRE_IDS_H

#include "crypto/keys.h"

struct network_id {
    uint8_t bytes[32]; // hash of the genesis text
};

struct relay_id {
    uint8_t bytes[32]; // the relay's Ed25519 public key
};

// Who holds grains on the ledger: an Ed25519 public key. A relay's identity is the account that pays for it.
struct account_id {
    uint8_t bytes[32];
};

struct placement_id {
    uint8_t bytes[32]; // drawn by the ledger at registration
};

struct mailbox_id {
    uint8_t bytes[32]; // an Ed25519 public key whose secret the owner holds
};

struct item_hash {
    uint8_t bytes[32];
};

struct handle {
    uint8_t bytes[16]; // a client's return address on one TLS connection
};

struct surb_id {
    uint8_t bytes[16];
};

struct write_token {
    uint8_t bytes[32]; // all zero: a stranger
};

struct token_hash {
    uint8_t bytes[16]; // the first half of H("sotto write token 1", token)
};

bool relay_id_equal(const struct relay_id *a, const struct relay_id *b);
int relay_id_compare(const struct relay_id *a, const struct relay_id *b);
bool mailbox_id_equal(const struct mailbox_id *a, const struct mailbox_id *b);
void token_hash_of(struct token_hash *out, const struct write_token *token);
bool token_is_stranger(const struct write_token *token);

#endif
