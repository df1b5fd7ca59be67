// sotto validator: who decides, and how to take part.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/keys.h"
#include "cli/ledger_print.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/tx_sending.h"

#define NO_MORE \
    { .name = NULL }

// Operators agree on a change by naming the same key, power and expiry. Rounded up, so that votes of about the same
// time name the same; at least half of it is left.
#define EXPIRY_STEP 10000

static int list_main(int argc, char **argv) {
    struct ledger_options ledger = {0};
    const struct option options[] = {LEDGER_OPTIONS(ledger), NO_MORE};
    if (options_parse(argc, argv, options, "sotto validator list [options]",
                      "Who votes on the next block, with what power.") != 0) {
        return STATUS_USAGE;
    }
    return ledger_show(&ledger, "/v1/validators", ledger_print_validators);
}

static uint64_t default_expiry(const struct sending *sending) {
    uint64_t height = (uint64_t)json_integer_value(json_object_get(sending->chain, "height"));
    return ((height + EXPIRY_STEP / 2) / EXPIRY_STEP + 1) * EXPIRY_STEP;
}

static int vote_main(int argc, char **argv) {
    struct sending_options sending_options = {.nonce = NONCE_NEXT};
    uint64_t power = 1, expiry = 0;
    bool remove = false;
    const struct option options[] = {
        {"power", "N", "its power from then on (1)", .number = &power, .min = 1, .max = VALIDATOR_POWER_MAX},
        {"remove", NULL, "take it out of the set", .flag = &remove},
        {"expiry-height", "N", "the last block that may pass it (a multiple of 10000)", .number = &expiry, .min = 1,
         .max = INT64_MAX},
        SENDING_OPTIONS(sending_options),
        NO_MORE};
    if (options_parse(
            argc, argv, options, "sotto validator vote --key OPERATOR_FILE [options] VALIDATOR",
            "Votes, as a validator's operator, to add a validator, change its power, or remove it (networks\n"
            "with consensus poa). It passes when operators with over two thirds of the power stand by the\n"
            "same validator, power and expiry; a new vote replaces one's old one. VALIDATOR is its consensus\n"
            "key, or key file.\n\n"
            "  sotto validator vote --key operator.key 77ab...01           # add it with power 1\n"
            "  sotto validator vote --key operator.key --remove 77ab...01  # take it out") != 1) {
        fprintf(stderr, "sotto: a validator's consensus key is wanted\n");
        return STATUS_USAGE;
    }
    struct sending sending;
    struct buf why = {0};
    enum err err = sending_begin(&sending, &sending_options, &why);
    struct tx_validator_vote *vote = &sending.tx.validator_vote;
    if (err == OK) {
        err = key_named(&vote->key, argv[1], &why);
        sending.tx.kind = TX_VALIDATOR_VOTE;
        vote->power = remove ? 0 : power;
        vote->expiry_height = expiry != 0 ? expiry : default_expiry(&sending);
        fprintf(stderr, "the vote stands until block %llu; others agree with --expiry-height %llu\n",
                (unsigned long long)vote->expiry_height, (unsigned long long)vote->expiry_height);
    }
    return sending_finish(&sending, err, &why);
}

// The consensus key that the stake stands for, and that it agrees: by its key file, or by a proof made where that is.
static enum err take_validator(struct tx *tx, const char *validator, const char *proof, struct buf *why) {
    struct sign_secret secret;
    if (proof == NULL) {
        enum err err = key_secret(&secret, &tx->stake.key, validator, why);
        if (err == OK) {
            tx_prove_key(tx, &secret);
        }
        wipe(&secret, sizeof(secret));
        return err;
    }
    if (hex_decode(tx->stake.proof.bytes, sizeof(tx->stake.proof.bytes), proof) != OK) {
        return testnet_fail(why, ERR_INVALID, "--proof is what `sotto validator proof` prints: 128 hexadecimal digits");
    }
    return key_named(&tx->stake.key, validator, why);
}

static int stake_main(int argc, char **argv) {
    struct sending_options sending_options = {.nonce = NONCE_NEXT};
    const char *validator = NULL, *proof = NULL;
    const struct option options[] = {
        {"validator", "FILE", "the validator's key file (the sender's), or with --proof its key", .text = &validator},
        {"proof", "HEX", "that the validator's key agrees, as `sotto validator proof` prints it", .text = &proof},
        SENDING_OPTIONS(sending_options),
        NO_MORE};
    if (options_parse(argc, argv, options, "sotto validator stake --key FILE [options] AMOUNT",
                      "Stakes grains for a validator (networks with consensus pos): its power from the next epoch on.\n"
                      "A validator that signs two blocks of one height loses stake. The validator's key has to agree:\n"
                      "give its file, or have `sotto validator proof` make the proof on the machine where it is.\n\n"
                      "  sotto validator stake --key operator.key --validator validator.key 1000SOT\n"
                      "  sotto validator stake --key operator.key --validator 77ab...01 --proof 5d02...3c 1000SOT") !=
        1) {
        fprintf(stderr, "sotto: an amount such as 1000SOT is wanted\n");
        return STATUS_USAGE;
    }
    struct sending sending;
    struct buf why = {0};
    enum err err = sending_begin(&sending, &sending_options, &why);
    if (err == OK) {
        sending.tx.kind = TX_STAKE;
        err = take_validator(&sending.tx, validator == NULL ? sending_options.key : validator, proof, &why);
    }
    if (err == OK) {
        err = sending_amount(&sending.tx.stake.amount, argv[1], &why);
    }
    return sending_finish(&sending, err, &why);
}

static enum err print_proof(struct tx *tx, const char *validator, struct buf *why) {
    char hex[2 * sizeof(tx->stake.proof.bytes) + 1];
    enum err err = take_validator(tx, validator, NULL, why);
    if (err == OK) {
        hex_encode(hex, SPAN_OF(tx->stake.proof.bytes));
        puts(hex);
    }
    return err;
}

static int proof_main(int argc, char **argv) {
    const char *genesis_path = NULL;
    const struct option options[] = {{"genesis", "FILE", "the network's genesis file", .text = &genesis_path}, NO_MORE};
    if (options_parse(
            argc, argv, options, "sotto validator proof --genesis FILE VALIDATOR OPERATOR",
            "Prints the proof by which this validator's key agrees that an operator stakes with it\n"
            "(networks with consensus pos). VALIDATOR is its key file; OPERATOR the account, or its key file.\n"
            "It needs no node, and is of use to that operator in that network only.\n\n"
            "  sotto validator proof --genesis network.sotto validator.key 5f0c...9a") != 2 ||
        genesis_path == NULL) {
        fprintf(stderr, "sotto: --genesis FILE, the validator's key file and the operator's account are wanted\n");
        return STATUS_USAGE;
    }
    struct tx tx = {.kind = TX_STAKE};
    struct genesis *genesis = NEW(struct genesis);
    struct sign_public operator;
    struct buf why = {0}, text = {0};
    enum err err = profile_genesis(genesis, &text, genesis_path, &why);
    if (err == OK) {
        err = key_named(&operator, argv[2], &why);
    }
    if (err == OK) {
        tx.network = genesis->network;
        memcpy(tx.sender.bytes, operator.bytes, sizeof(operator.bytes));
        err = print_proof(&tx, argv[1], &why);
    }
    buf_free(&text);
    free(genesis);
    return err == OK ? 0 : output_error(&why);
}

static int unstake_main(int argc, char **argv) {
    struct sending_options sending_options = {.nonce = NONCE_NEXT};
    const struct option options[] = {SENDING_OPTIONS(sending_options), NO_MORE};
    if (options_parse(
            argc, argv, options, "sotto validator unstake --key FILE [options] AMOUNT",
            "Takes stake back. It stays bound for the network's unbonding time, and can be lost until then.\n\n"
            "  sotto validator unstake --key operator.key 1000SOT") != 1) {
        fprintf(stderr, "sotto: an amount such as 1000SOT is wanted\n");
        return STATUS_USAGE;
    }
    struct sending sending;
    struct buf why = {0};
    enum err err = sending_begin(&sending, &sending_options, &why);
    if (err == OK) {
        sending.tx.kind = TX_UNSTAKE;
        err = sending_amount(&sending.tx.unstake.amount, argv[1], &why);
    }
    return sending_finish(&sending, err, &why);
}

static const struct command commands[] = {
    {"list", "", "who votes on the next block", list_main},
    {"vote", "VALIDATOR", "to add, change or remove one (poa)", vote_main},
    {"stake", "AMOUNT", "for a validator (pos)", stake_main},
    {"proof", "VALIDATOR OPERATOR", "that its key agrees to that operator's stake (pos)", proof_main},
    {"unstake", "AMOUNT", "takes it back (pos)", unstake_main},
    {NULL, NULL, NULL, NULL},
};

int validator_main(int argc, char **argv) {
    return command_dispatch(argc, argv, commands, "sotto validator", "Validators: who decides.");
}
