// Building, signing and submitting transactions.
#define _GNU_SOURCE
#include "cli/tx_sending.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/keys.h"
#include "cli/output.h"
#include "ledger/amount.h"

enum err sending_amount(uint64_t *grains, const char *text, struct buf *why) {
    enum err err = amount_parse(grains, text);
    if (err == ERR_TOO_LONG) {
        return testnet_fail(why, ERR_INVALID, "%s: more than there can be", text);
    }
    return err == OK
               ? OK
               : testnet_fail(why, ERR_INVALID, "%s: an amount with its unit is wanted, as 1.5SOT or 200grains", text);
}

uint64_t sending_rule(const struct sending *sending, const char *member) {
    const json_t *amount = json_object_get(sending->chain, member);
    return (uint64_t)json_integer_value(json_object_get(amount, "grains"));
}

static enum err take_key(struct sending *sending, struct buf *why) {
    struct sign_public public;
    if (sending->options->key == NULL) {
        return testnet_fail(why, ERR_INVALID, "--key FILE is wanted: who sends it; `sotto account new` makes a key");
    }
    enum err err = key_secret(&sending->secret, &public, sending->options->key, why);
    if (err == OK) {
        memcpy(sending->tx.sender.bytes, public.bytes, sizeof(public.bytes));
    }
    return err;
}

static enum err take_chain(struct sending *sending, struct buf *why) {
    enum err err = profile_call(&sending->session, &sending->chain, "GET", "/v1/chain", NULL, why);
    if (err == OK && hex_decode(sending->tx.network.bytes, sizeof(sending->tx.network.bytes),
                                json_text(sending->chain, "network")) != OK) {
        err = testnet_fail(why, ERR_MALFORMED, "the node's answer names no network");
    }
    return err;
}

static enum err take_nonce(struct sending *sending, struct buf *why) {
    char hex[65];
    char path[96];
    json_t *account = NULL;
    sending->tx.nonce = sending->options->nonce;
    if (sending->tx.nonce != NONCE_NEXT) {
        return OK;
    }
    hex_encode(hex, SPAN_OF(sending->tx.sender.bytes));
    snprintf(path, sizeof(path), "/v1/accounts/%s", hex);
    enum err err = profile_call(&sending->session, &account, "GET", path, NULL, why);
    sending->tx.nonce = (uint64_t)json_integer_value(json_object_get(account, "next_nonce"));
    json_decref(account);
    return err;
}

static enum err take_fee(struct sending *sending, struct buf *why) {
    sending->tx.fee = sending_rule(sending, "fee_min");
    return sending->options->fee == NULL ? OK : sending_amount(&sending->tx.fee, sending->options->fee, why);
}

enum err sending_begin(struct sending *sending, const struct sending_options *options, struct buf *why) {
    *sending = (struct sending){.options = options};
    enum err err = take_key(sending, why);
    if (err == OK) {
        err = ledger_node_open(&sending->session, &options->ledger, why);
    }
    if (err == OK) {
        err = take_chain(sending, why);
    }
    if (err == OK) {
        err = take_fee(sending, why);
    }
    return err == OK ? take_nonce(sending, why) : err;
}

static enum err print_result(const struct sending *sending, const json_t *json, struct buf *why) {
    const json_t *outcome = json_object_get(json, "outcome");
    bool is_final = strcmp(json_text(json, "status"), "final") == 0;
    if (sending->options->ledger.json) {
        output_json(json);
    } else if (is_final) {
        printf("%s final in block %lld\n", json_text(json, "id"),
               (long long)json_integer_value(json_object_get(json, "height")));
    } else {
        printf("%s pending\n", json_text(json, "id"));
    }
    if (is_final && !json_is_true(json_object_get(outcome, "done"))) {
        return testnet_fail(why, ERR_REFUSED, "it failed, and its fee was charged: %s", json_text(outcome, "text"));
    }
    if (sending->options->wait && !is_final) {
        return testnet_fail(why, ERR_TIMEOUT, "it is not final yet; `sotto tx show %s` tells when it is",
                            json_text(json, "id"));
    }
    return OK;
}

enum err sending_submit(struct sending *sending, struct buf *why) {
    uint8_t bytes[TX_BYTES_MAX];
    char *hex = mem_new(2 * TX_BYTES_MAX + 1, 1);
    json_t *json = NULL;
    tx_sign(&sending->tx, &sending->secret);
    hex_encode(hex, span_of(bytes, tx_encode(bytes, &sending->tx)));
    json_t *body = json_pack("{ss}", "tx", hex);
    const char *path = sending->options->wait ? "/v1/txs?wait=final" : "/v1/txs";
    enum err err = profile_call(&sending->session, &json, "POST", path, body, why);
    if (err == OK) {
        err = print_result(sending, json, why);
    }
    json_decref(json);
    json_decref(body);
    free(hex);
    return err;
}

void sending_end(struct sending *sending) {
    wipe(&sending->secret, sizeof(sending->secret));
    json_decref(sending->chain);
    profile_close(&sending->session);
}

int sending_finish(struct sending *sending, enum err err, struct buf *why) {
    if (err == OK) {
        err = sending_submit(sending, why);
    }
    sending_end(sending);
    return err == OK ? 0 : output_error(why);
}
