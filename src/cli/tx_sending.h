// A transaction on its way: what the network asks for is fetched, the rest filled in, signed, and submitted.
#ifndef SOTTO_CLI_TX_SENDING_H
#define SOTTO_CLI_TX_SENDING_H

#include "cli/ledger_node.h"
#include "ledger/tx.h"

#define NONCE_NEXT UINT64_MAX

struct sending_options {
    struct ledger_options ledger;
    const char *key; // file of the sender's secret key
    const char *fee; // NULL: the network's least
    uint64_t nonce;  // NONCE_NEXT: the account's next
    bool wait;       // until it is final
};

#define SENDING_OPTIONS(options)                                                                                     \
    {"key", "FILE", "the sender's key file", .text = &(options).key},                                                \
        {"fee", "AMOUNT", "to offer (the network's least)", .text = &(options).fee},                                 \
        {"nonce", "N", "instead of the account's next one", .number = &(options).nonce, .min = 0, .max = INT64_MAX}, \
        {"wait", NULL, "until it is final, up to 30 s", .flag = &(options).wait}, LEDGER_OPTIONS((options).ledger)

struct sending {
    const struct sending_options *options;
    struct profile_session session;
    json_t *chain; // the answer of /v1/chain
    struct sign_secret secret;
    struct tx tx; // network, sender, nonce and fee are there
};

// An amount as an option or argument has it. ERR_INVALID with what is wanted.
enum err sending_amount(uint64_t *grains, const char *text, struct buf *why);
uint64_t sending_rule(const struct sending *sending, const char *member); // an amount of /v1/chain
// Finds the node, asks it for what a transaction needs. The caller fills kind and body.
enum err sending_begin(struct sending *sending, const struct sending_options *options, struct buf *why);
// Signs, submits, prints where it stands.
enum err sending_submit(struct sending *sending, struct buf *why);
void sending_end(struct sending *sending); // also after an error of the two above
// The last part of a command: submits if err is OK, prints an error if not, ends. The exit status.
int sending_finish(struct sending *sending, enum err err, struct buf *why);

#endif
