// The vectors of docs/spec/ledger.md, ledger.json, byte for byte: what the oracle made is read, and written the same.
#include "crypto/vectors.h"
#include "ledger/block.h"
#include "ledger/heard.h"
#include "ledger/light.h"

static struct network_id network;

static void bytes_are(struct span bytes, const json_t *object, const char *key) {
    struct buf expected = json_hex(object, key);
    assert_int_equal(bytes.n, expected.n);
    assert_memory_equal(bytes.p, expected.p, bytes.n);
    buf_free(&expected);
}

static struct buf hex_of(const json_t *text) {
    struct buf out = {0};
    size_t n = json_string_length(text) / 2;
    assert_int_equal(hex_decode(buf_extend(&out, n), n, json_string_value(text)), OK);
    return out;
}

static uint64_t number(const json_t *object, const char *key) {
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static json_t *vectors(void) {
    json_t *file = spec_vectors_load("ledger.json");
    json_hex_into(network.bytes, sizeof network.bytes, file, "network");
    return file;
}

// Every entry of a list of refused bytes is refused.
static void all_refused(const json_t *list, const char *key, enum err (*decode)(struct span bytes)) {
    size_t i;
    json_t *one;
    assert_true(json_array_size(list) > 0);
    json_array_foreach(list, i, one) {
        struct buf bytes = json_hex(one, key);
        if (decode(buf_span(&bytes)) != ERR_MALFORMED)
            fail_msg("taken: %s", json_text(one, "why"));
        buf_free(&bytes);
    }
}

// ---- trees ----

static void hashes_load(struct hash *out, const json_t *list) {
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one) {
        struct buf bytes = hex_of(one);
        assert_int_equal(bytes.n, 32);
        memcpy(out[i].bytes, bytes.p, 32);
        buf_free(&bytes);
    }
}

static void trees_are_those_of_the_specification(void **state) {
    (void)state;
    json_t *file = vectors();
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "merkle"), i, one) {
        struct hash items[16];
        struct hash root;
        uint32_t n = (uint32_t)json_array_size(json_object_get(one, "items"));
        hashes_load(items, json_object_get(one, "items"));
        merkle_root(&root, items, n);
        bytes_are(SPAN_OF(root.bytes), one, "root");
        for (uint32_t index = 0; index < n; index++) {
            const json_t *expected = json_array_get(json_object_get(one, "paths"), index);
            struct hash path[MERKLE_PATH_MAX];
            struct hash made[MERKLE_PATH_MAX];
            hashes_load(path, expected);
            size_t count = merkle_prove(made, items, n, index);
            assert_int_equal(count, json_array_size(expected));
            assert_memory_equal(made, path, 32 * count);
            assert_int_equal(merkle_verify(&root, n, index, &items[index], (struct merkle_path){path, count}), OK);
        }
    }
    json_decref(file);
}

// ---- transactions ----

static void transactions_are_those_of_the_specification(void **state) {
    (void)state;
    json_t *file = vectors();
    const struct tx_rules rules = {.network = network, .fee_min = 10};
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "transactions"), i, one) {
        struct buf bytes = json_hex(one, "tx");
        uint8_t again[TX_BYTES_MAX];
        struct tx tx;
        struct tx_id id;
        assert_int_equal(tx_decode(&tx, buf_span(&bytes)), OK);
        assert_string_equal(tx_kind_text(tx.kind), json_text(one, "name"));
        assert_int_equal(tx_check(&tx, &rules), OK);
        assert_int_equal(tx_verify(&tx), OK);
        bytes_are(span_of(again, tx_encode(again, &tx)), one, "tx");
        tx_id_of(&id, buf_span(&bytes));
        bytes_are(SPAN_OF(id.bytes), one, "id");
        buf_free(&bytes);
    }
    json_decref(file);
}

static void key_load(struct sign_secret *secret, const json_t *seeds, const char *name) {
    uint8_t seed[32];
    struct sign_public public;
    json_hex_into(seed, sizeof seed, seeds, name);
    sign_key_from_seed(secret, &public, seed);
}

// Ed25519 is deterministic: what is signed here is the vector.
static void transactions_are_signed_as_specified(void **state) {
    (void)state;
    json_t *file = vectors();
    const json_t *seeds = json_object_get(file, "seeds");
    struct sign_secret sender;
    struct sign_secret relay;
    key_load(&sender, seeds, "sender");
    key_load(&relay, seeds, "relay");
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "transactions"), i, one) {
        struct buf bytes = json_hex(one, "tx");
        uint8_t again[TX_BYTES_MAX];
        struct tx tx;
        assert_int_equal(tx_decode(&tx, buf_span(&bytes)), OK);
        if (tx.kind == TX_REGISTER_RELAY) {
            memset(&tx.register_relay.cosignature, 0, sizeof tx.register_relay.cosignature);
            tx_cosign(&tx, &relay);
        }
        bool by_sender = memcmp(tx.sender.bytes, sender.bytes + 32, 32) == 0;
        if (tx.kind != TX_EVIDENCE)
            tx_sign(&tx, by_sender ? &sender : &relay);
        bytes_are(span_of(again, tx_encode(again, &tx)), one, "tx");
        buf_free(&bytes);
    }
    json_array_foreach(json_object_get(file, "leaves"), i, one) {
        struct hash leaf;
        struct relay_id id;
        uint8_t secret[DELIVERY_SECRET_BYTES];
        json_hex_into(secret, sizeof secret, one, "secret");
        json_hex_into(id.bytes, sizeof id.bytes, one, "relay");
        delivery_leaf_of(&leaf, secret, &id);
        bytes_are(SPAN_OF(leaf.bytes), one, "leaf");
    }
    json_decref(file);
}

static enum err decode_tx(struct span bytes) {
    struct tx tx;
    return tx_decode(&tx, bytes);
}

static void transactions_against_the_rules_are_refused(void **state) {
    (void)state;
    json_t *file = vectors();
    const struct tx_rules rules = {.network = network, .fee_min = 10};
    all_refused(json_object_get(file, "refused_transactions"), "tx", decode_tx);
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "invalid_transactions"), i, one) {
        struct buf bytes = json_hex(one, "tx");
        struct tx tx;
        if (tx_decode(&tx, buf_span(&bytes)) != OK)
            fail_msg("malformed: %s", json_text(one, "why"));
        if (tx_check(&tx, &rules) == OK && tx_verify(&tx) == OK)
            fail_msg("taken: %s", json_text(one, "why"));
        buf_free(&bytes);
    }
    json_decref(file);
}

// ---- votes ----

static void votes_and_proposals_are_those_of_the_specification(void **state) {
    (void)state;
    json_t *file = vectors();
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "votes"), i, one) {
        struct buf bytes = hex_of(one);
        struct vote vote;
        uint8_t again[VOTE_BYTES];
        assert_int_equal(vote_decode(&vote, buf_span(&bytes)), OK);
        assert_int_equal(vote_verify(&vote, &network), OK);
        vote_encode(again, &vote);
        assert_true(span_equal(SPAN_OF(again), buf_span(&bytes)));
        buf_free(&bytes);
    }
    json_array_foreach(json_object_get(file, "proposals"), i, one) {
        struct buf bytes = hex_of(one);
        struct proposal proposal;
        uint8_t again[PROPOSAL_BYTES];
        assert_int_equal(proposal_decode(&proposal, buf_span(&bytes)), OK);
        assert_int_equal(proposal_verify(&proposal, &network), OK);
        proposal_encode(again, &proposal);
        assert_true(span_equal(SPAN_OF(again), buf_span(&bytes)));
        buf_free(&bytes);
    }
    json_array_foreach(json_object_get(file, "evidence"), i, one) {
        struct buf bytes = hex_of(one);
        struct evidence evidence;
        uint8_t again[EVIDENCE_BYTES_MAX];
        assert_int_equal(evidence_decode(&evidence, buf_span(&bytes)), OK);
        assert_int_equal(evidence_verify(&evidence, &network), OK);
        assert_true(span_equal(span_of(again, evidence_encode(again, &evidence)), buf_span(&bytes)));
        buf_free(&bytes);
    }
    json_decref(file);
}

static void what_was_heard_is_that_of_the_specification(void **state) {
    (void)state;
    json_t *file = vectors();
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "heard"), i, one) {
        struct buf bytes = hex_of(one);
        struct heard heard;
        uint8_t again[HEARD_BYTES_MAX];
        assert_int_equal(heard_decode(&heard, buf_span(&bytes)), OK);
        assert_true(span_equal(span_of(again, heard_encode(again, &heard)), buf_span(&bytes)));
        buf_free(&bytes);
    }
    json_array_foreach(json_object_get(file, "statements"), i, one) {
        struct buf bytes = hex_of(one);
        struct statement statement;
        uint8_t again[STATEMENT_BYTES_MAX];
        assert_int_equal(statement_decode(&statement, buf_span(&bytes)), OK);
        assert_int_equal(statement_verify(&statement, &network), OK);
        assert_true(span_equal(span_of(again, statement_encode(again, &statement)), buf_span(&bytes)));
        buf_free(&bytes);
    }
    json_decref(file);
}

static enum err decode_heard(struct span bytes) {
    struct heard heard;
    return heard_decode(&heard, bytes);
}

static enum err decode_statement(struct span bytes) {
    struct statement statement;
    return statement_decode(&statement, bytes);
}

static enum err decode_vote(struct span bytes) {
    struct vote vote;
    return vote_decode(&vote, bytes);
}

static enum err decode_proposal(struct span bytes) {
    struct proposal proposal;
    return proposal_decode(&proposal, bytes);
}

static enum err decode_certificate(struct span bytes) {
    struct certificate certificate;
    return certificate_decode(&certificate, bytes);
}

static enum err decode_evidence(struct span bytes) {
    struct evidence evidence;
    return evidence_decode(&evidence, bytes);
}

static enum err decode_set(struct span bytes) {
    struct validator_set set;
    return validator_set_decode(&set, bytes);
}

static enum err decode_header(struct span bytes) {
    struct block_header header;
    return block_header_decode(&header, bytes);
}

static enum err decode_block(struct span bytes) {
    struct block block;
    enum err err = block_decode(&block, bytes);
    if (err == OK)
        block_free(&block);
    return err;
}

static void what_is_not_canonical_is_malformed(void **state) {
    (void)state;
    json_t *file = vectors();
    all_refused(json_object_get(file, "refused_votes"), "bytes", decode_vote);
    all_refused(json_object_get(file, "refused_proposals"), "bytes", decode_proposal);
    all_refused(json_object_get(file, "refused_certificates"), "bytes", decode_certificate);
    all_refused(json_object_get(file, "refused_evidence"), "bytes", decode_evidence);
    all_refused(json_object_get(file, "refused_heard"), "bytes", decode_heard);
    all_refused(json_object_get(file, "refused_statements"), "bytes", decode_statement);
    all_refused(json_object_get(file, "refused_sets"), "bytes", decode_set);
    all_refused(json_object_get(file, "refused_headers"), "bytes", decode_header);
    all_refused(json_object_get(file, "refused_blocks"), "bytes", decode_block);
    json_decref(file);
}

// ---- validators ----

static void sets_and_proposers_are_those_of_the_specification(void **state) {
    (void)state;
    json_t *file = vectors();
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "sets"), i, one) {
        struct buf bytes = json_hex(one, "set");
        struct validator_set set;
        struct hash hash;
        uint8_t again[VALIDATOR_SET_BYTES_MAX];
        assert_int_equal(validator_set_decode(&set, buf_span(&bytes)), OK);
        assert_int_equal(set.total, number(one, "total"));
        bytes_are(span_of(again, validator_set_encode(again, &set)), one, "set");
        validator_set_hash(&hash, &set);
        bytes_are(SPAN_OF(hash.bytes), one, "hash");
        const json_t *proposers = json_object_get(one, "proposers");
        for (uint64_t height = 1; height <= json_array_size(proposers); height++)
            assert_int_equal(validators_proposer(&set, height, 0),
                             json_integer_value(json_array_get(proposers, height - 1)));
        buf_free(&bytes);
    }
    json_decref(file);
}

// ---- the chain ----

static void blocks_are_those_of_the_specification(void **state) {
    (void)state;
    json_t *file = vectors();
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "chain"), i, one) {
        struct buf bytes = json_hex(one, "block");
        struct buf set_bytes = json_hex(one, "validators");
        struct buf certificate_bytes = json_hex(one, "certificate");
        struct buf again = {0};
        uint8_t header[BLOCK_HEADER_BYTES];
        uint8_t certificate_again[CERTIFICATE_BYTES_MAX];
        struct block block;
        struct block_id id;
        struct validator_set set;
        struct certificate certificate;
        assert_int_equal(block_decode(&block, buf_span(&bytes)), OK);
        assert_int_equal(block.header.height, i + 1);
        block_header_encode(header, &block.header);
        bytes_are(SPAN_OF(header), one, "header");
        block_id_of(&id, &block.header);
        bytes_are(SPAN_OF(id.bytes), one, "id");
        block_encode(&again, &block.header, block.txs, block.header.tx_count);
        assert_true(span_equal(buf_span(&again), buf_span(&bytes)));
        assert_int_equal(validator_set_decode(&set, buf_span(&set_bytes)), OK);
        assert_int_equal(certificate_decode(&certificate, buf_span(&certificate_bytes)), OK);
        assert_int_equal(certificate_verify(&certificate, &set, &network), OK);
        bytes_are(span_of(certificate_again, certificate_encode(certificate_again, &certificate)), one, "certificate");
        block_free(&block);
        buf_free(&bytes);
        buf_free(&set_bytes);
        buf_free(&certificate_bytes);
        buf_free(&again);
    }
    json_decref(file);
}

// ---- light clients ----

static void set_load(struct validator_set *set, const json_t *object, const char *key) {
    struct buf bytes = json_hex(object, key);
    assert_int_equal(validator_set_decode(set, buf_span(&bytes)), OK);
    buf_free(&bytes);
}

static void header_load(struct block_header *header, const json_t *object) {
    struct buf bytes = json_hex(object, "header");
    assert_int_equal(block_header_decode(header, buf_span(&bytes)), OK);
    buf_free(&bytes);
}

// What trusts a header of the chain, or the genesis.
static struct light light_of(const json_t *file, const json_t *one) {
    struct validator_set set;
    struct genesis genesis = {
        .network = network,
        .genesis_ms = number(file, "genesis_ms"),
        .ledger = {.unbonding_ms = number(file, "unbonding_ms")},
    };
    assert_int_equal(consensus_parse(&genesis.ledger.consensus, json_text(one, "consensus")), OK);
    set_load(&set, file, "genesis_validators");
    genesis.ledger.validator_count = set.count;
    for (size_t i = 0; i < set.count; i++)
        genesis.ledger.validators[i] =
            (struct genesis_validator){set.validators[i].key, set.validators[i].operator, set.validators[i].power };
    struct light light;
    light_init(&light, &genesis);
    json_int_t trusted = json_integer_value(json_object_get(one, "trusted"));
    if (trusted >= 0) {
        const json_t *link = json_array_get(json_object_get(file, "chain"), (size_t)trusted);
        struct block_header header;
        struct block_id id;
        header_load(&header, link);
        set_load(&set, link, "validators");
        json_hex_into(id.bytes, sizeof id.bytes, link, "id");
        assert_int_equal(light_checkpoint(&light, &id, &header, &set), OK);
    }
    return light;
}

static enum light_result result_of(const char *name) {
    static const char *const names[] = {
        [LIGHT_TAKEN] = "taken",     [LIGHT_KNOWN] = "known",     [LIGHT_NETWORK] = "network",
        [LIGHT_OLDER] = "older",     [LIGHT_EXPIRED] = "expired", [LIGHT_AHEAD] = "ahead",
        [LIGHT_BETWEEN] = "between", [LIGHT_INVALID] = "invalid", [LIGHT_FORK] = "fork",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0)
            return (enum light_result)i;
    }
    fail_msg("no result: %s", name);
    return LIGHT_TAKEN;
}

static void light_clients_judge_as_specified(void **state) {
    (void)state;
    json_t *file = vectors();
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "light"), i, one) {
        struct light light = light_of(file, one);
        struct block_header header;
        struct certificate certificate;
        struct validator_set set;
        struct buf bytes = json_hex(one, "certificate");
        header_load(&header, one);
        assert_int_equal(certificate_decode(&certificate, buf_span(&bytes)), OK);
        set_load(&set, one, "validators");
        enum light_result result = light_update(&light, &header, &certificate, &set, number(one, "wall_ms"));
        if (result != result_of(json_text(one, "result")))
            fail_msg("case %zu: %s instead of %s", i, light_result_text(result), json_text(one, "result"));
        buf_free(&bytes);
    }
    json_decref(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_are_those_of_the_specification),
        cmocka_unit_test(transactions_are_those_of_the_specification),
        cmocka_unit_test(transactions_are_signed_as_specified),
        cmocka_unit_test(transactions_against_the_rules_are_refused),
        cmocka_unit_test(votes_and_proposals_are_those_of_the_specification),
        cmocka_unit_test(what_was_heard_is_that_of_the_specification),
        cmocka_unit_test(what_is_not_canonical_is_malformed),
        cmocka_unit_test(sets_and_proposers_are_those_of_the_specification),
        cmocka_unit_test(blocks_are_those_of_the_specification),
        cmocka_unit_test(light_clients_judge_as_specified),
    };
    return cmocka_run_group_tests_name("ledger vectors", tests, vectors_setup, NULL);
}
