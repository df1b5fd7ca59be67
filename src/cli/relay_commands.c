// sotto relay: relays on the ledger.
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/keys.h"
#include "cli/ledger_print.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/tx_sending.h"

#define NO_MORE \
    { .name = NULL }
#define DEPOSIT_DEFAULT "1SOT"

static int list_main(int argc, char **argv) {
    struct ledger_options ledger = {0};
    uint64_t cursor = 0;
    const struct option options[] = {
        {"cursor", "N", "go on from there, as the page before said", .number = &cursor, .min = 0, .max = INT64_MAX},
        LEDGER_OPTIONS(ledger),
        NO_MORE};
    char path[64];
    if (options_parse(argc, argv, options, "sotto relay list [options]", "The registered relays.") != 0) {
        return STATUS_USAGE;
    }
    snprintf(path, sizeof(path), "/v1/relays?cursor=%llu", (unsigned long long)cursor);
    return ledger_show(&ledger, path, ledger_print_relays);
}

static int show_main(int argc, char **argv) {
    struct ledger_options ledger = {0};
    const struct option options[] = {LEDGER_OPTIONS(ledger), NO_MORE};
    struct sign_public key;
    struct buf why = {0};
    char hex[65], path[96];
    if (options_parse(argc, argv, options, "sotto relay show [options] RELAY",
                      "A relay: its stake, its balance, how many deliveries it has proven, what it was paid for them.\n"
                      "RELAY is its id, its key file, or its folder.\n\n"
                      "  sotto relay show --dir sotto-testnet/validator1 sotto-testnet/relay3") != 1) {
        fprintf(stderr, "sotto: a relay is wanted: its id, its key file, or its folder\n");
        return STATUS_USAGE;
    }
    if (key_named(&key, argv[1], &why) != OK) {
        return output_error(&why);
    }
    hex_encode(hex, SPAN_OF(key.bytes));
    snprintf(path, sizeof(path), "/v1/relays/%s", hex);
    return ledger_show(&ledger, path, ledger_print_fields);
}

// The relay as the ledger has it, before a fee is paid in vain: *json is the caller's, NULL: it is not registered.
static enum err registered_relay(json_t **json, struct sending *sending, const uint8_t relay[static 32],
                                 struct buf *why) {
    char hex[65], path[96];
    hex_encode(hex, span_of(relay, 32));
    snprintf(path, sizeof(path), "/v1/relays/%s", hex);
    *json = NULL;
    enum err err = profile_call(&sending->session, json, "GET", path, NULL, why);
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err expect_new(struct sending *sending, struct buf *why) {
    json_t *relay = NULL;
    enum err err = registered_relay(&relay, sending, sending->tx.register_relay.relay.bytes, why);
    if (err == OK && relay != NULL) {
        err = testnet_fail(why, ERR_REFUSED, "this relay is registered already, by the operator %s%s",
                           json_text(relay, "operator"),
                           json_object_get(relay, "retired_epoch") == NULL
                               ? ""
                               : "; it has retired, and can be registered again when it has left the ledger");
    }
    json_decref(relay);
    return err;
}

static enum err expect_active(struct sending *sending, struct buf *why) {
    json_t *relay = NULL;
    enum err err = registered_relay(&relay, sending, sending->tx.sender.bytes, why);
    if (err == OK && relay == NULL) {
        err = testnet_fail(why, ERR_REFUSED, "%s is not the key of a registered relay: a relay retires by its own key",
                           sending->options->key);
    } else if (err == OK && json_object_get(relay, "retired_epoch") != NULL) {
        err = testnet_fail(why, ERR_REFUSED, "this relay has retired already");
    }
    json_decref(relay);
    return err;
}

// What the relay's node says it is registered with.
static enum err parse_card(struct tx_register_relay *out, const json_t *card, struct buf *why) {
    size_t i;
    json_t *key;
    bool good = hex_decode(out->relay.bytes, sizeof(out->relay.bytes), json_text(card, "id")) == OK &&
                address_parse(&out->address, json_text(card, "address")) == OK &&
                json_array_size(json_object_get(card, "onion_keys")) == ONION_KEYS_AHEAD;
    out->onion.first_epoch = (uint32_t)json_integer_value(json_object_get(card, "first_epoch"));
    json_array_foreach(json_object_get(card, "onion_keys"), i, key) {
        good = good && json_is_string(key) &&
               hex_decode(out->onion.keys[i].bytes, sizeof(out->onion.keys[i].bytes), json_string_value(key)) == OK;
    }
    return good ? OK : testnet_fail(why, ERR_MALFORMED, "the relay's node does not say what to register it with");
}

static enum err ask_relay(struct tx_register_relay *out, const char *dir, struct buf *why) {
    struct profile_session session = {0};
    json_t *card = NULL;
    enum err err = ledger_node_open_dir(&session, dir, why);
    if (err == OK) {
        err = profile_call(&session, &card, "GET", "/v1/relay", NULL, why);
    }
    if (err == OK) {
        err = parse_card(out, card, why);
    }
    json_decref(card);
    profile_close(&session);
    return err;
}

// The relay says by its own signature that this operator may register it.
static enum err cosign(struct tx *tx, const char *identity, struct buf *why) {
    struct sign_secret secret;
    struct sign_public public;
    enum err err = key_secret(&secret, &public, identity, why);
    if (err == OK && memcmp(public.bytes, tx->register_relay.relay.bytes, sizeof(public.bytes)) != 0) {
        err = testnet_fail(why, ERR_INVALID, "%s is not the key of that relay's node", identity);
    }
    if (err == OK) {
        tx_cosign(tx, &secret);
    }
    wipe(&secret, sizeof(secret));
    return err;
}

static enum err fill_register(struct sending *sending, const char *dir, const char *identity, const char *stake,
                              const char *deposit, struct buf *why) {
    struct tx_register_relay *body = &sending->tx.register_relay;
    sending->tx.kind = TX_REGISTER_RELAY;
    body->stake = sending_rule(sending, "relay_stake_min");
    enum err err = ask_relay(body, dir, why);
    if (err == OK) {
        err = expect_new(sending, why);
    }
    if (err == OK && stake != NULL) {
        err = sending_amount(&body->stake, stake, why);
    }
    if (err == OK) {
        err = sending_amount(&body->deposit, deposit, why);
    }
    return err == OK ? cosign(&sending->tx, identity == NULL ? dir : identity, why) : err;
}

static int register_main(int argc, char **argv) {
    struct sending_options sending_options = {.nonce = NONCE_NEXT};
    const char *identity = NULL, *stake = NULL, *deposit = DEPOSIT_DEFAULT;
    const struct option options[] = {
        {"identity", "FILE", "the relay's key file (RELAY_DIR/identity.key)", .text = &identity},
        {"stake", "AMOUNT", "lost if the relay claims false deliveries (the network's least)", .text = &stake},
        {"deposit", "AMOUNT", "moved to the relay's account, for its fees (" DEPOSIT_DEFAULT ")", .text = &deposit},
        SENDING_OPTIONS(sending_options),
        NO_MORE};
    if (options_parse(
            argc, argv, options, "sotto relay register --key OPERATOR_FILE [options] RELAY_DIR",
            "Registers a relay in an operator's name, who stakes for it. The relay's node runs already;\n"
            "RELAY_DIR is its folder, with config.yaml (which has api.listen) and its key. --dir is a ledger\n"
            "node's. Directories list the relay from the next epoch on.\n\n"
            "  sotto relay register --key operator.key --dir validator1 --wait relay7\n"
            "  sotto relay register --key operator.key --dir validator1 --stake 200SOT --deposit 2SOT relay7") != 1) {
        fprintf(stderr, "sotto: the relay's folder is wanted\n");
        return STATUS_USAGE;
    }
    struct sending sending;
    struct buf why = {0};
    enum err err = sending_begin(&sending, &sending_options, &why);
    if (err == OK) {
        err = fill_register(&sending, argv[1], identity, stake, deposit, &why);
    }
    return sending_finish(&sending, err, &why);
}

static int retire_main(int argc, char **argv) {
    struct sending_options sending_options = {.nonce = NONCE_NEXT};
    const struct option options[] = {SENDING_OPTIONS(sending_options), NO_MORE};
    if (options_parse(argc, argv, options, "sotto relay retire --key IDENTITY_FILE [options]",
                      "Takes a relay out of the next directory for good. The key is the relay's own, as its account\n"
                      "pays. Keep it running until its mailboxes have moved; its stake is free again after the\n"
                      "unbonding time. A node with operator_key has `retiring: true` in its configuration\n"
                      "instead: without it, it would register again at its next start.\n\n"
                      "  sotto relay retire --key relay7/identity.key --dir validator1 --wait\n"
                      "  sotto tx send --key relay7/identity.key 5f0c...9a 0.9SOT  # what its account still has") !=
        0) {
        return STATUS_USAGE;
    }
    struct sending sending;
    struct buf why = {0};
    enum err err = sending_begin(&sending, &sending_options, &why);
    sending.tx.kind = TX_RETIRE_RELAY;
    if (err == OK) {
        err = expect_active(&sending, &why);
    }
    return sending_finish(&sending, err, &why);
}

static const struct command commands[] = {
    {"list", "", "the registered relays", list_main},
    {"show", "RELAY", "its stake, deliveries and rewards", show_main},
    {"register", "RELAY_DIR", "a relay of yours", register_main},
    {"retire", "", "takes a relay out for good", retire_main},
    {NULL, NULL, NULL, NULL},
};

int relay_main(int argc, char **argv) {
    return command_dispatch(argc, argv, commands, "sotto relay", "Relays on the ledger.");
}
