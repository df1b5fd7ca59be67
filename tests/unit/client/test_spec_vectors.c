// What clients say to each other against docs/spec/vectors/client.json, which the specification's own script makes.
#include "../crypto/vectors.h"

#include "client/link.h"
#include "client/seal.h"

struct person {
    struct sign_secret identity;
    struct dh_secret dh;
    struct card card;
    struct signature proof;
};

struct fixture {
    json_t *json;
    struct network_id network;
    struct mailbox_id mailbox;
    struct item_place place;
    struct person alice, bob;
};

static void person_load(struct person *person, const struct fixture *f, const json_t *json) {
    uint8_t seed[32];
    json_hex_into(seed, 32, json, "identity_seed");
    sign_key_from_seed(&person->identity, &person->card.identity, seed);
    json_hex_into(seed, 32, json, "static_secret");
    dh_key_from_seed(&person->dh, &person->card.dh, seed);
    json_hex_into(person->card.mailbox.bytes, 32, json, "request_mailbox");
    card_sign(&person->proof, &person->card, &f->network, &person->identity);
}

static uint64_t number(const json_t *json, const char *key) {
    return (uint64_t)json_integer_value(json_object_get(json, key));
}

static void fixture_load(struct fixture *f) {
    *f = (struct fixture){.json = spec_vectors_load("client.json")};
    const json_t *people = json_object_get(f->json, "people");
    json_hex_into(f->network.bytes, 32, f->json, "network");
    json_hex_into(f->mailbox.bytes, 32, f->json, "mailbox");
    f->place = (struct item_place){&f->network, &f->mailbox, number(f->json, "expiry_ms")};
    person_load(&f->alice, f, json_object_get(people, "alice"));
    person_load(&f->bob, f, json_object_get(people, "bob"));
}

static void assert_hex(const void *bytes, size_t n, const json_t *json, const char *key) {
    struct buf wanted = json_hex(json, key);
    assert_int_equal(wanted.n, n);
    assert_memory_equal(wanted.p, bytes, n);
    buf_free(&wanted);
}

// ---- cards and links ----

static void check_person(const struct fixture *f, const struct person *person, const char *name) {
    const json_t *json = json_object_get(json_object_get(f->json, "people"), name);
    struct card card;
    const char *reason;
    char link[LINK_TEXT_MAX + 1];
    assert_hex(person->card.identity.bytes, 32, json, "identity");
    assert_hex(person->card.dh.bytes, 32, json, "static");
    assert_hex(person->proof.bytes, 64, json, "proof");
    link_format(link, &person->card, &f->network);
    assert_string_equal(link, json_text(json, "link"));
    assert_int_equal(link_parse(&card, &reason, link, &f->network), OK);
    assert_memory_equal(&card, &person->card, sizeof card);
}

static void cards_proofs_and_links_are_those_of_the_specification(void **state) {
    (void)state;
    struct fixture f;
    fixture_load(&f);
    check_person(&f, &f.alice, "alice");
    check_person(&f, &f.bob, "bob");
    json_decref(f.json);
}

// ---- letters ----

// `body` holds what letter->text points into.
static void letter_load(struct letter *letter, struct buf *body, const struct fixture *f, const json_t *json) {
    *letter = (struct letter){.kind = (enum letter_kind)number(json, "kind"),
                              .stream = number(json, "stream"),
                              .sequence = number(json, "sequence"),
                              .floor = number(json, "floor"),
                              .gap_expiry_ms = number(json, "gap_expiry_ms"),
                              .card = f->alice.card,
                              .reply_version = number(json, "reply_version")};
    json_hex_into(letter->id.bytes, 16, json, "id");
    json_hex_into(letter->secret, 32, json, "secret");
    json_hex_into(letter->reply_mailbox.bytes, 32, json, "reply_mailbox");
    json_hex_into(letter->reply_token.bytes, 32, json, "reply_token");
    *body = json_hex(json, "body");
    letter->text = buf_span(body);
}

// A generator whose next bytes are the case's ephemeral key.
static struct rng generator_of(const json_t *json) {
    struct rng rng = {.left = 32};
    json_hex_into(rng.buffer + RNG_BUFFER_BYTES - rng.left, rng.left, json, "ephemeral");
    return rng;
}

static void check_sealed(const struct fixture *f, const struct item_place *place, const json_t *json) {
    uint8_t item[ITEM_BYTES];
    struct letter letter;
    struct buf body;
    struct rng rng = generator_of(json);
    letter_load(&letter, &body, f, json);
    assert_int_equal(seal_item(item, &letter, &f->alice.proof, &f->alice.dh, &f->bob.card.dh, place, &rng), OK);
    assert_hex(item, sizeof item, json, "item");
    buf_free(&body);
}

static void check_opened(const struct fixture *f, const struct item_place *place, const json_t *json) {
    uint8_t item[ITEM_BYTES], plain[LETTER_BYTES];
    struct letter letter, wanted;
    struct buf body;
    letter_load(&wanted, &body, f, json);
    json_hex_into(item, sizeof item, json, "item");
    assert_int_equal(seal_open(&letter, plain, item, &f->bob.dh, place), OK);
    assert_hex(plain, sizeof plain, json, "letter");
    assert_int_equal(letter.kind, wanted.kind);
    assert_memory_equal(&letter.id, &wanted.id, sizeof letter.id);
    assert_int_equal(letter.stream, wanted.stream);
    assert_int_equal(letter.sequence, wanted.sequence);
    assert_int_equal(letter.floor, wanted.floor);
    assert_int_equal(letter.gap_expiry_ms, wanted.gap_expiry_ms);
    assert_memory_equal(letter.secret, wanted.secret, sizeof letter.secret);
    assert_memory_equal(&letter.card, &wanted.card, sizeof letter.card);
    assert_memory_equal(&letter.reply_mailbox, &wanted.reply_mailbox, sizeof letter.reply_mailbox);
    assert_memory_equal(&letter.reply_token, &wanted.reply_token, sizeof letter.reply_token);
    assert_int_equal(letter.reply_version, wanted.reply_version);
    assert_true(span_equal(letter.text, wanted.text));
    buf_free(&body);
}

static void each_letter(void (*check)(const struct fixture *f, const struct item_place *place, const json_t *json)) {
    struct fixture f;
    size_t i;
    const json_t *json;
    fixture_load(&f);
    assert_int_equal(json_array_size(json_object_get(f.json, "letters")), 7);
    json_array_foreach(json_object_get(f.json, "letters"), i, json) {
        struct mailbox_id mailbox;
        json_hex_into(mailbox.bytes, 32, json, "mailbox");
        const struct item_place place = {&f.network, &mailbox, f.place.expiry_ms};
        check(&f, &place, json);
    }
    json_decref(f.json);
}

static void letters_are_sealed_to_the_bytes_of_the_specification(void **state) {
    (void)state;
    each_letter(check_sealed);
}

static void items_of_the_specification_open_to_their_letters(void **state) {
    (void)state;
    each_letter(check_opened);
}

static void items_that_the_specification_refuses_are_refused(void **state) {
    (void)state;
    struct fixture f;
    size_t i;
    const json_t *json;
    fixture_load(&f);
    assert_int_equal(json_array_size(json_object_get(f.json, "refused")), 19);
    json_array_foreach(json_object_get(f.json, "refused"), i, json) {
        uint8_t item[ITEM_BYTES], plain[LETTER_BYTES];
        struct letter letter;
        json_hex_into(item, sizeof item, json, "item");
        if (seal_open(&letter, plain, item, &f.bob.dh, &f.place) == OK)
            fail_msg("opened: %s", json_text(json, "why"));
    }
    json_decref(f.json);
}

int main(void) {
    crypto_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cards_proofs_and_links_are_those_of_the_specification),
        cmocka_unit_test(letters_are_sealed_to_the_bytes_of_the_specification),
        cmocka_unit_test(items_of_the_specification_open_to_their_letters),
        cmocka_unit_test(items_that_the_specification_refuses_are_refused),
    };
    return cmocka_run_group_tests_name("client spec vectors", tests, vectors_setup, NULL);
}
