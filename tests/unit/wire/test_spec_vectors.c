// The vectors of docs/spec: cells.json, links.json, mailbox.json, genesis.json, and the codecs of directory.json.
#include "crypto/vectors.h"
#include "wire/address_record.h"
#include "wire/cell.h"
#include "wire/directory.h"
#include "wire/message.h"
#include "wire/op.h"

static uint64_t number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value))
        fail_msg("%s is no number", key);
    return (uint64_t)json_integer_value(value);
}

static void bytes_are(struct span bytes, const json_t *object, const char *key) {
    struct buf expected = json_hex(object, key);
    assert_int_equal(bytes.n, expected.n);
    assert_memory_equal(bytes.p, expected.p, bytes.n);
    buf_free(&expected);
}

// ---- cells ----

static void cell_of_text(uint8_t out[static CELL_BYTES], const char *text) {
    memset(out, 0, CELL_BYTES);
    assert_true(strlen(text) <= 2 * CELL_BYTES);
    assert_int_equal(hex_decode(out, strlen(text) / 2, text), OK);
}

static void cells_are_those_of_the_specification(void **state) {
    (void)state;
    json_t *file = spec_vectors_load("cells.json");
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "cells"), i, one) {
        uint8_t expected[CELL_BYTES];
        uint8_t made[CELL_BYTES];
        struct cell cell;
        struct buf body = json_hex(one, "body");
        cell_of_text(expected, json_text(one, "cell"));
        cell_encode(made, (enum cell_kind)number(one, "kind"), (uint8_t)number(one, "flags"), buf_span(&body));
        assert_memory_equal(made, expected, CELL_BYTES);
        assert_int_equal(cell_decode(&cell, expected), OK);
        assert_int_equal(cell.kind, number(one, "kind"));
        assert_int_equal(cell.flags, number(one, "flags"));
        assert_true(span_equal(cell.body, buf_span(&body)));
        buf_free(&body);
    }
    json_array_foreach(json_object_get(file, "refused"), i, one) {
        uint8_t bytes[CELL_BYTES];
        struct cell cell;
        cell_of_text(bytes, json_text(one, "cell"));
        if (cell_decode(&cell, bytes) != ERR_MALFORMED)
            fail_msg("taken: %s", json_text(one, "why"));
    }
    json_decref(file);
}

static void messages_are_cut_as_specified(void **state) {
    (void)state;
    json_t *file = spec_vectors_load("cells.json");
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "messages"), i, one) {
        struct buf message = json_hex(one, "message");
        const json_t *cells = json_object_get(one, "cells");
        assert_int_equal(message_cells(message.n), json_array_size(cells));
        for (size_t j = 0; j < json_array_size(cells); j++) {
            uint8_t expected[CELL_BYTES];
            uint8_t made[CELL_BYTES];
            cell_of_text(expected, json_string_value(json_array_get(cells, j)));
            message_cell(made, buf_span(&message), j);
            assert_memory_equal(made, expected, CELL_BYTES);
        }
        buf_free(&message);
    }
    json_decref(file);
}

// ---- links ----

static void check_hello(const json_t *one) {
    struct hello hello = {.version = (uint16_t)number(one, "version"),
                          .epoch = (uint32_t)number(one, "epoch"),
                          .wall_ms = number(one, "wall_ms")};
    uint8_t bytes[HELLO_BYTES];
    json_hex_into(hello.network.bytes, 32, one, "network");
    bytes_are(span_of(bytes, hello_encode(bytes, &hello)), one, "message");
    assert_int_equal(hello_decode(&hello, SPAN_OF(bytes)), OK);
    assert_int_equal(hello.wall_ms, number(one, "wall_ms"));
}

static void check_directory_answer(const json_t *one) {
    struct buf bundle = json_hex(one, "bundle");
    struct buf message = {0};
    directory_message_encode(&message, (uint32_t)number(one, "epoch"), buf_span(&bundle));
    bytes_are(buf_span(&message), one, "message");
    buf_free(&message);
    buf_free(&bundle);
}

static void check_handles(const json_t *one) {
    const json_t *list = json_object_get(one, "handles");
    struct handle handles[HANDLES_PER_LINK_MAX];
    uint8_t bytes[HANDLES_BYTES_MAX];
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(hex_decode(handles[i].bytes, 16, json_string_value(json_array_get(list, i))), OK);
    bytes_are(span_of(bytes, handles_encode(bytes, handles, count)), one, "message");
}

static bool takes_addresses(struct span message) {
    struct address_record *records = NULL;
    size_t count;
    bool taken = addresses_message_decode(&records, &count, message) == OK;
    free(records);
    return taken;
}

static void check_addresses(const json_t *one) {
    const json_t *list = json_object_get(one, "records");
    struct buf message = json_hex(one, "message");
    struct buf again = {0};
    struct address_record *records;
    size_t count;
    assert_int_equal(addresses_message_decode(&records, &count, buf_span(&message)), OK);
    assert_int_equal(count, json_array_size(list));
    for (size_t i = 0; i < count; i++) {
        uint8_t expected[ADDRESS_RECORD_BYTES_MAX];
        uint8_t bytes[ADDRESS_RECORD_BYTES_MAX];
        struct writer w = writer_of(bytes, sizeof bytes);
        const char *text = json_string_value(json_array_get(list, i));
        address_record_write(&w, &records[i]);
        assert_int_equal(strlen(text), 2 * w.n);
        assert_int_equal(hex_decode(expected, w.n, text), OK);
        assert_memory_equal(bytes, expected, w.n);
    }
    addresses_message_encode(&again, records, count);
    bytes_are(buf_span(&again), one, "message");
    free(records);
    buf_free(&again);
    buf_free(&message);
}

// Whether any parser of link messages takes it.
static bool taken_by_any(struct span message) {
    struct hello hello;
    struct handle handles[HANDLES_PER_LINK_MAX];
    size_t count;
    uint64_t token;
    uint32_t epoch;
    struct span bundle;
    return hello_decode(&hello, message) == OK || handles_decode(handles, &count, message) == OK ||
           ping_decode(&token, message) == OK || get_directory_decode(&epoch, message) == OK ||
           directory_message_decode(&epoch, &bundle, message) == OK || get_addresses_decode(message) == OK ||
           takes_addresses(message);
}

static void link_messages_are_those_of_the_specification(void **state) {
    (void)state;
    json_t *file = spec_vectors_load("links.json");
    uint8_t bytes[16];
    const json_t *one = json_object_get(file, "ping");
    bytes_are(span_of(bytes, ping_encode(bytes, MESSAGE_PING, number(one, "token"))), one, "message");
    one = json_object_get(file, "pong");
    bytes_are(span_of(bytes, ping_encode(bytes, MESSAGE_PONG, number(one, "token"))), one, "message");
    one = json_object_get(file, "get_directory");
    bytes_are(span_of(bytes, get_directory_encode(bytes, (uint32_t)number(one, "epoch"))), one, "message");
    check_hello(json_object_get(file, "hello"));
    check_directory_answer(json_object_get(file, "directory"));
    check_directory_answer(json_object_get(file, "no_directory"));
    check_handles(json_object_get(file, "handles"));
    bytes_are(span_of(bytes, get_addresses_encode(bytes)), json_object_get(file, "get_addresses"), "message");
    check_addresses(json_object_get(file, "addresses"));
    check_addresses(json_object_get(file, "no_addresses"));
    size_t i;
    json_t *bad;
    json_array_foreach(json_object_get(file, "refused"), i, bad) {
        struct buf message = json_hex(bad, "message");
        if (taken_by_any(buf_span(&message)))
            fail_msg("taken: %s", json_text(bad, "why"));
        buf_free(&message);
    }
    json_decref(file);
}

// ---- mailbox ----

struct mailbox_vectors {
    json_t *file;
    struct network_id network;
    struct relay_id replica;
    struct mailbox_id mailbox;
    struct item_hash item_hash;
    struct sign_secret owner;
    uint8_t item[ITEM_BYTES];
    uint8_t surbs[OP_SURBS_MAX][SPHINX_SURB_BYTES];
};

static void mailbox_load(struct mailbox_vectors *v) {
    uint8_t seed[32];
    struct sign_public public;
    v->file = spec_vectors_load("mailbox.json");
    json_hex_into(v->network.bytes, 32, v->file, "network");
    json_hex_into(v->replica.bytes, 32, v->file, "replica");
    json_hex_into(v->mailbox.bytes, 32, v->file, "mailbox");
    json_hex_into(v->item_hash.bytes, 32, v->file, "item_hash");
    json_hex_into(v->item, ITEM_BYTES, v->file, "item");
    json_hex_into(seed, 32, v->file, "mailbox_seed");
    sign_key_from_seed(&v->owner, &public, seed);
    assert_memory_equal(public.bytes, v->mailbox.bytes, 32);
    for (size_t i = 0; i < OP_SURBS_MAX; i++) {
        const char *text = json_string_value(json_array_get(json_object_get(v->file, "surbs"), i));
        assert_int_equal(hex_decode(v->surbs[i], SPHINX_SURB_BYTES, text), OK);
    }
}

static void hashes_are_those_of_the_specification(void **state) {
    (void)state;
    struct mailbox_vectors v;
    mailbox_load(&v);
    struct item_hash hash;
    uint8_t secret[32];
    uint8_t commitment[32];
    struct write_token token;
    struct token_hash token_hash;
    item_hash_of(&hash, &v.network, &v.mailbox, number(v.file, "expiry_ms"), v.item);
    assert_memory_equal(&hash, &v.item_hash, sizeof hash);
    json_hex_into(secret, 32, v.file, "secret");
    commitment_of(commitment, secret);
    bytes_are(SPAN_OF(commitment), v.file, "commitment");
    assert_memory_equal(commitment, v.item, 32);
    json_hex_into(token.bytes, 32, v.file, "token");
    token_hash_of(&token_hash, &token);
    bytes_are(SPAN_OF(token_hash.bytes), v.file, "token_hash");
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(v.file, "stamps"), i, one) {
        unsigned zeros = (unsigned)number(one, "zeros");
        assert_true(stamp_fits(number(one, "stamp"), zeros, &v.network, &v.mailbox, &v.item_hash));
        assert_false(stamp_fits(number(one, "stamp"), zeros + 1, &v.network, &v.mailbox, &v.item_hash));
    }
    json_array_foreach(json_object_get(v.file, "mailbox_stamps"), i, one) {
        unsigned zeros = (unsigned)number(one, "zeros");
        assert_true(mailbox_stamp_fits(number(one, "stamp"), zeros, &v.network, &v.mailbox));
        assert_false(mailbox_stamp_fits(number(one, "stamp"), zeros + 1, &v.network, &v.mailbox));
    }
    json_decref(v.file);
}

static void arguments_of(struct op *op, const json_t *one) {
    size_t i;
    json_t *entry;
    if (op->kind == OP_FETCH || op->kind == OP_SUBSCRIBE)
        op->cursor = number(one, "cursor");
    if (op->kind == OP_SUBSCRIBE)
        op->wait_ms = (uint32_t)number(one, "wait_ms");
    if (op->kind == OP_DELETE || op->kind == OP_POLICY)
        op->stamp = number(one, "stamp");
    if (op->kind == OP_POLICY)
        op->version = number(one, "version");
    json_array_foreach(json_object_get(one, "deletes"), i, entry) {
        json_hex_into(op->deletes[op->count].item.bytes, 32, entry, "item");
        json_hex_into(op->deletes[op->count++].secret, 32, entry, "secret");
    }
    json_array_foreach(json_object_get(one, "policy"), i, entry) {
        json_hex_into(op->policy[op->count].token.bytes, 16, entry, "token");
        op->policy[op->count++].quota = (uint16_t)number(entry, "quota");
    }
}

static struct op op_of(const struct mailbox_vectors *v, const json_t *one) {
    struct op op = {.kind = (enum op_kind)number(one, "kind"),
                    .epoch = (uint32_t)number(one, "epoch"),
                    .mailbox = v->mailbox,
                    .item = v->item,
                    .surb_count = (size_t)number(one, "surbs")};
    for (size_t i = 0; i < OP_SURBS_MAX; i++)
        op.surbs[i] = v->surbs[i];
    if (op.kind == OP_STORE) {
        op.expiry_ms = number(one, "expiry_ms");
        op.stamp = number(one, "stamp");
        json_hex_into(op.token.bytes, 32, one, "token");
    } else {
        op.time_ms = number(one, "time_ms");
        arguments_of(&op, one);
    }
    return op;
}

static void operations_are_those_of_the_specification(void **state) {
    (void)state;
    struct mailbox_vectors v;
    mailbox_load(&v);
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(v.file, "operations"), i, one) {
        struct op op = op_of(&v, one);
        struct op back;
        uint8_t bytes[OP_BYTES_MAX];
        size_t n = op_encode(bytes, &op, &v.network, &v.replica, &v.owner);
        bytes_are(span_of(bytes, n), one, "body");
        assert_int_equal(op_decode(&back, span_of(bytes, n)), OK);
        if (op.kind != OP_STORE)
            assert_int_equal(op_verify(&back, &v.network, &v.replica), OK);
    }
    json_array_foreach(json_object_get(v.file, "refused_operations"), i, one) {
        struct buf body = json_hex(one, "body");
        struct op op;
        if (op_decode(&op, buf_span(&body)) != ERR_MALFORMED)
            fail_msg("taken: %s", json_text(one, "why"));
        buf_free(&body);
    }
    json_decref(v.file);
}

// A store's reply: makes its receipts anew from the relays' seeds and checks those that are there.
static void check_receipts(const struct mailbox_vectors *v, const json_t *one, const struct reply *reply) {
    const json_t *ranks = json_object_get(one, "ranks");
    const json_t *seeds = json_object_get(v->file, "relay_seeds");
    uint64_t expiry_ms = number(v->file, "expiry_ms");
    assert_int_equal(reply->receipt_count, json_array_size(ranks));
    for (size_t i = 0; i < reply->receipt_count; i++) {
        uint8_t seed[32];
        struct sign_secret secret;
        struct sign_public public;
        struct receipt made = {.index = (uint8_t)i, .rank = (uint8_t)json_integer_value(json_array_get(ranks, i))};
        assert_int_equal(hex_decode(seed, 32, json_string_value(json_array_get(seeds, i))), OK);
        sign_key_from_seed(&secret, &public, seed);
        assert_memory_equal(public.bytes, reply->set.relays[i].bytes, 32);
        receipt_sign(&made, &secret, &v->network, &reply->set, v->item, &v->mailbox, &v->item_hash, expiry_ms);
        assert_int_equal(reply->receipts[i].index, made.index);
        assert_int_equal(reply->receipts[i].rank, made.rank);
        assert_memory_equal(&reply->receipts[i].signature, &made.signature, sizeof made.signature);
        assert_int_equal(receipt_verify(&reply->receipts[i], &v->network, &reply->set, v->item, &v->mailbox,
                                        &v->item_hash, expiry_ms),
                         OK);
    }
}

static void check_pushed(const json_t *one, const struct reply *reply) {
    assert_int_equal(reply->cursor, number(one, "cursor"));
    assert_int_equal(reply->expiry_ms, number(one, "expiry_ms"));
    assert_int_equal(reply->waiting, number(one, "waiting"));
    assert_int_equal(reply->surbs_left, number(one, "surbs_left"));
    bytes_are(span_of(reply->item, reply->item != NULL ? ITEM_BYTES : 0), one, "item");
}

static void replies_are_those_of_the_specification(void **state) {
    (void)state;
    struct mailbox_vectors v;
    mailbox_load(&v);
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(v.file, "replies"), i, one) {
        struct buf body = json_hex(one, "body");
        struct reply reply;
        uint8_t bytes[OP_BYTES_MAX];
        assert_int_equal(reply_decode(&reply, buf_span(&body)), OK);
        assert_int_equal(reply.kind, number(one, "kind"));
        assert_int_equal(reply.status, number(one, "status"));
        bytes_are(span_of(bytes, reply_encode(bytes, &reply)), one, "body");
        if (json_object_get(one, "ranks") != NULL)
            check_receipts(&v, one, &reply);
        if (json_object_get(one, "cursor") != NULL)
            check_pushed(one, &reply);
        if (json_object_get(one, "stamp_bits") != NULL)
            assert_int_equal(reply.stamp_bits, number(one, "stamp_bits"));
        buf_free(&body);
    }
    json_array_foreach(json_object_get(v.file, "refused_replies"), i, one) {
        struct buf body = json_hex(one, "body");
        struct reply reply;
        if (reply_decode(&reply, buf_span(&body)) != ERR_MALFORMED)
            fail_msg("taken: %s", json_text(one, "why"));
        buf_free(&body);
    }
    json_decref(v.file);
}

// ---- directory ----

static void genesis_load(struct genesis *genesis, const json_t *file) {
    assert_int_equal(genesis_parse(genesis, span_of_text(json_text(file, "genesis")), NULL), OK);
}

static void address_load(struct address *address, const json_t *object) {
    *address = (struct address){.port = (uint16_t)number(object, "port")};
    snprintf(address->host, sizeof address->host, "%s", json_text(object, "host"));
}

static void keys_load(struct dh_public *keys, const json_t *object) {
    const json_t *list = json_object_get(object, "keys");
    for (size_t i = 0; i < json_array_size(list); i++)
        assert_int_equal(hex_decode(keys[i].bytes, 32, json_string_value(json_array_get(list, i))), OK);
}

static void a_directory_is_that_of_the_specification(void **state) {
    (void)state;
    json_t *file = spec_vectors_load("directory.json");
    const json_t *one = json_object_get(file, "directory");
    const json_t *list = json_object_get(one, "relays");
    struct genesis genesis;
    struct directory_relay relays[16];
    struct directory d = {.epoch = (uint32_t)number(one, "epoch"),
                          .issued_ms = number(one, "issued_ms"),
                          .changed_epoch = (uint32_t)number(one, "changed_epoch"),
                          .stamp_bits = (uint8_t)number(one, "stamp_bits"),
                          .relay_count = json_array_size(list),
                          .relays = relays};
    genesis_load(&genesis, file);
    d.network = genesis.network;
    for (size_t i = 0; i < d.relay_count; i++) {
        const json_t *relay = json_array_get(list, i);
        relays[i] = (struct directory_relay){.placed = json_is_true(json_object_get(relay, "placed")),
                                             .since_epoch = (uint32_t)number(relay, "since_epoch"),
                                             .onion.first_epoch = d.epoch};
        json_hex_into(relays[i].id.bytes, 32, relay, "id");
        json_hex_into(relays[i].placement.bytes, 32, relay, "placement");
        address_load(&relays[i].address, relay);
        keys_load(relays[i].onion.keys, relay);
    }
    directory_encode(&d.bytes, &d);
    bytes_are(buf_span(&d.bytes), one, "bytes");
    struct directory *back;
    assert_int_equal(directory_decode(&back, buf_span(&d.bytes), &genesis.network), OK);
    directory_unref(back);
    d.relay_count = 0;
    buf_clear(&d.bytes);
    directory_encode(&d.bytes, &d);
    bytes_are(buf_span(&d.bytes), file, "empty");
    buf_free(&d.bytes);
    json_decref(file);
}

static void sign_key_load(struct sign_secret *secret, const json_t *object, const char *key) {
    uint8_t seed[32];
    struct sign_public public;
    json_hex_into(seed, 32, object, key);
    sign_key_from_seed(secret, &public, seed);
}

static void an_address_record_is_that_of_the_specification(void **state) {
    (void)state;
    json_t *file = spec_vectors_load("directory.json");
    const json_t *one = json_object_get(file, "address_record");
    struct genesis genesis;
    struct sign_secret secret;
    uint8_t bytes[ADDRESS_RECORD_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    struct address_record record = {.signed_ms = number(one, "signed_ms")};
    genesis_load(&genesis, file);
    sign_key_load(&secret, one, "relay_seed");
    json_hex_into(record.id.bytes, 32, one, "id");
    address_load(&record.address, one);
    address_record_sign(&record, &genesis.network, &secret);
    address_record_write(&w, &record);
    bytes_are(writer_span(&w), one, "bytes");
    json_decref(file);
}

static enum err error_of(const json_t *one) {
    if (json_text_is(one, "error", "malformed"))
        return ERR_MALFORMED;
    return json_text_is(one, "error", "network") ? ERR_NETWORK : ERR_AUTH;
}

static void bad_directories_are_refused(void **state) {
    (void)state;
    json_t *file = spec_vectors_load("directory.json");
    struct genesis genesis;
    genesis_load(&genesis, file);
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "refused_directories"), i, one) {
        struct buf bytes = json_hex(one, "bytes");
        struct directory *d;
        if (directory_decode(&d, buf_span(&bytes), &genesis.network) != error_of(one))
            fail_msg("directory: %s", json_text(one, "why"));
        buf_free(&bytes);
    }
    json_decref(file);
}

static enum err record_decode(struct span bytes, const struct network_id *network) {
    struct reader r = reader_of(bytes);
    struct address_record record;
    address_record_read(&r, &record);
    return reader_done(&r) ? address_record_verify(&record, network) : ERR_MALFORMED;
}

static void bad_address_records_are_refused(void **state) {
    (void)state;
    json_t *file = spec_vectors_load("directory.json");
    struct genesis genesis;
    genesis_load(&genesis, file);
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "refused_address_records"), i, one) {
        struct buf bytes = json_hex(one, "bytes");
        if (record_decode(buf_span(&bytes), &genesis.network) != error_of(one))
            fail_msg("address record: %s", json_text(one, "why"));
        buf_free(&bytes);
    }
    assert_true(i > 0);
    json_decref(file);
}

// ---- genesis ----

static void genesis_is_that_of_the_specification(void **state) {
    (void)state;
    json_t *file = spec_vectors_load("genesis.json");
    struct genesis genesis;
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(file, "refused"), i, one) {
        unsigned line = 0;
        assert_int_equal(genesis_parse(&genesis, span_of_text(json_text(one, "text")), &line), ERR_MALFORMED);
        if (line != number(one, "line"))
            fail_msg("line %u instead of %u in\n%s", line, (unsigned)number(one, "line"), json_text(one, "text"));
    }
    json_array_foreach(json_object_get(file, "networks"), i, one) {
        assert_int_equal(genesis_parse(&genesis, span_of_text(json_text(one, "text")), NULL), OK);
        bytes_are(SPAN_OF(genesis.network.bytes), one, "network");
    }
    assert_int_equal(
        genesis_parse(&genesis, span_of_text(json_text(json_array_get(json_object_get(file, "networks"), 0), "text")),
                      NULL),
        OK);
    json_array_foreach(json_object_get(file, "epochs"), i, one)
        assert_int_equal(epoch_at(&genesis, number(one, "wall_ms")), number(one, "epoch"));
    json_decref(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_those_of_the_specification),
        cmocka_unit_test(messages_are_cut_as_specified),
        cmocka_unit_test(link_messages_are_those_of_the_specification),
        cmocka_unit_test(hashes_are_those_of_the_specification),
        cmocka_unit_test(operations_are_those_of_the_specification),
        cmocka_unit_test(replies_are_those_of_the_specification),
        cmocka_unit_test(a_directory_is_that_of_the_specification),
        cmocka_unit_test(bad_directories_are_refused),
        cmocka_unit_test(an_address_record_is_that_of_the_specification),
        cmocka_unit_test(bad_address_records_are_refused),
        cmocka_unit_test(genesis_is_that_of_the_specification),
    };
    return cmocka_run_group_tests_name("wire/spec_vectors", tests, vectors_setup, NULL);
}
