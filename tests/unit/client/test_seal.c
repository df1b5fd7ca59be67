// End-to-end sealing: one size for all, bound to its place, open to one person only.
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "client/seal.h"

struct person {
    struct sign_secret identity;
    struct dh_secret dh;
    struct card card;
    struct signature proof;
};

struct fixture {
    struct rng rng;
    struct network_id network;
    struct mailbox_id mailbox;
    struct item_place place;
    struct person alice, bob;
    struct letter letter;
    uint8_t item[ITEM_BYTES];
    uint8_t plain[LETTER_BYTES];
    struct letter out;
};

static void person_make(struct person *person, struct fixture *f) {
    sign_key_new(&person->identity, &person->card.identity, &f->rng);
    dh_key_new(&person->dh, &person->card.dh, &f->rng);
    rng_bytes(&f->rng, person->card.mailbox.bytes, 32);
    card_sign(&person->proof, &person->card, &f->network, &person->identity);
}

static void fixture_make(struct fixture *f) {
    static const uint8_t seed[RNG_SEED_BYTES] = {5};
    memset(f, 0, sizeof(*f));
    rng_init(&f->rng, seed);
    rng_bytes(&f->rng, f->network.bytes, 32);
    rng_bytes(&f->rng, f->mailbox.bytes, 32);
    f->place = (struct item_place){&f->network, &f->mailbox, 123456789};
    person_make(&f->alice, f);
    person_make(&f->bob, f);
    f->letter = (struct letter){.kind = LETTER_TEXT,
                                .stream = 7,
                                .sequence = 9,
                                .floor = 4,
                                .card = f->alice.card,
                                .reply_version = 3,
                                .text = SPAN_LITERAL("hello")};
    rng_bytes(&f->rng, f->letter.id.bytes, 16);
    rng_bytes(&f->rng, f->letter.secret, 32);
    rng_bytes(&f->rng, f->letter.reply_mailbox.bytes, 32);
    rng_bytes(&f->rng, f->letter.reply_token.bytes, 32);
}

static enum err seal(struct fixture *f) {
    return seal_item(f->item, &f->letter, &f->alice.proof, &f->alice.dh, &f->bob.card.dh, &f->place, &f->rng);
}

static enum err open(struct fixture *f) {
    return seal_open(&f->out, f->plain, f->item, &f->bob.dh, &f->place);
}

static void a_sealed_letter_opens_as_it_was(void **state) {
    (void)state;
    struct fixture f;
    fixture_make(&f);
    assert_int_equal(seal(&f), OK);
    assert_int_equal(open(&f), OK);
    assert_int_equal(f.out.kind, LETTER_TEXT);
    assert_memory_equal(f.out.id.bytes, f.letter.id.bytes, 16);
    assert_int_equal(f.out.stream, 7);
    assert_int_equal(f.out.sequence, 9);
    assert_int_equal(f.out.floor, 4);
    assert_memory_equal(f.out.secret, f.letter.secret, 32);
    assert_memory_equal(&f.out.card, &f.alice.card, sizeof(f.out.card));
    assert_memory_equal(f.out.reply_mailbox.bytes, f.letter.reply_mailbox.bytes, 32);
    assert_memory_equal(f.out.reply_token.bytes, f.letter.reply_token.bytes, 32);
    assert_int_equal(f.out.reply_version, 3);
    assert_true(span_equal(f.out.text, SPAN_LITERAL("hello")));
}

static void an_item_begins_with_the_commitment_to_its_delivery_secret(void **state) {
    (void)state;
    struct fixture f;
    uint8_t commitment[ITEM_COMMITMENT_BYTES];
    fixture_make(&f);
    assert_int_equal(seal(&f), OK);
    commitment_of(commitment, f.letter.secret);
    assert_memory_equal(f.item, commitment, sizeof(commitment));
}

static void every_flipped_byte_of_an_item_is_refused(void **state) {
    (void)state;
    struct fixture f;
    fixture_make(&f);
    assert_int_equal(seal(&f), OK);
    for (size_t i = 0; i < ITEM_BYTES; i++) {
        f.item[i] ^= (uint8_t)(1u << (i % 8));
        assert_int_not_equal(open(&f), OK);
        f.item[i] ^= (uint8_t)(1u << (i % 8));
    }
    assert_int_equal(open(&f), OK);
}

static void an_item_opens_only_where_it_was_meant_to_lie(void **state) {
    (void)state;
    struct fixture f;
    fixture_make(&f);
    assert_int_equal(seal(&f), OK);
    f.place.expiry_ms++;
    assert_int_equal(open(&f), ERR_AUTH);
    f.place.expiry_ms--;
    f.mailbox.bytes[31] ^= 1;
    assert_int_equal(open(&f), ERR_AUTH);
    f.mailbox.bytes[31] ^= 1;
    f.network.bytes[0] ^= 1;
    assert_int_equal(open(&f), ERR_AUTH);
}

static void nobody_else_can_open_it(void **state) {
    (void)state;
    struct fixture f;
    fixture_make(&f);
    assert_int_equal(seal(&f), OK);
    assert_int_equal(seal_open(&f.out, f.plain, f.item, &f.alice.dh, &f.place), ERR_AUTH);
}

static void an_identity_that_did_not_sign_the_key_is_refused(void **state) {
    (void)state;
    struct fixture f;
    fixture_make(&f);
    f.letter.card.identity = f.bob.card.identity; // alice says she is bob
    assert_int_equal(seal(&f), OK);
    assert_int_equal(open(&f), ERR_AUTH);
    f.letter.card = f.alice.card;
    f.letter.card.mailbox = f.bob.card.mailbox;
    assert_int_equal(seal(&f), OK);
    assert_int_equal(open(&f), ERR_AUTH);
}

static void texts_of_1_byte_and_of_the_longest_use_the_same_randomness_and_size(void **state) {
    (void)state;
    struct fixture f, g;
    static uint8_t longest[TEXT_BYTES_MAX];
    memset(longest, 'x', sizeof(longest));
    fixture_make(&f);
    fixture_make(&g);
    f.letter.text = SPAN_LITERAL("x");
    g.letter.text = SPAN_OF(longest);
    assert_int_equal(seal(&f), OK);
    assert_int_equal(seal(&g), OK);
    assert_int_equal(rng_u64(&f.rng), rng_u64(&g.rng));
    assert_int_equal(open(&g), OK);
    assert_true(span_equal(g.out.text, SPAN_OF(longest)));
}

static void letters_that_would_upset_the_counting_are_refused(void **state) {
    (void)state;
    struct fixture f;
    const struct {
        uint64_t stream, sequence, floor;
    } wrong[] = {{0, 1, 1}, {1, 0, 0}, {1, 1, 0}, {1, 1, 2}, {1, UINT64_MAX, 1}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        fixture_make(&f);
        f.letter.stream = wrong[i].stream;
        f.letter.sequence = wrong[i].sequence;
        f.letter.floor = wrong[i].floor;
        assert_int_equal(seal(&f), OK);
        assert_int_equal(open(&f), ERR_MALFORMED);
    }
}

static void an_empty_text_and_one_that_is_no_utf8_are_refused(void **state) {
    (void)state;
    struct fixture f;
    fixture_make(&f);
    f.letter.text = (struct span){NULL, 0};
    assert_int_equal(seal(&f), OK);
    assert_int_equal(open(&f), ERR_MALFORMED);
    f.letter.text = SPAN_LITERAL("\xff\xfe");
    assert_int_equal(seal(&f), OK);
    assert_int_equal(open(&f), ERR_MALFORMED);
}

static void an_acknowledgement_holds_whole_message_ids(void **state) {
    (void)state;
    struct fixture f;
    static uint8_t ids[TEXT_BYTES_MAX];
    fixture_make(&f);
    f.letter.kind = LETTER_ACK;
    f.letter.text = SPAN_OF(ids);
    assert_int_equal(seal(&f), OK);
    assert_int_equal(open(&f), OK);
    f.letter.text = span_of(ids, 17);
    assert_int_equal(seal(&f), OK);
    assert_int_equal(open(&f), ERR_MALFORMED);
    f.letter.text = span_of(ids, 0);
    assert_int_equal(seal(&f), OK);
    assert_int_equal(open(&f), ERR_MALFORMED);
}

int main(void) {
    crypto_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sealed_letter_opens_as_it_was),
        cmocka_unit_test(an_item_begins_with_the_commitment_to_its_delivery_secret),
        cmocka_unit_test(every_flipped_byte_of_an_item_is_refused),
        cmocka_unit_test(an_item_opens_only_where_it_was_meant_to_lie),
        cmocka_unit_test(nobody_else_can_open_it),
        cmocka_unit_test(an_identity_that_did_not_sign_the_key_is_refused),
        cmocka_unit_test(texts_of_1_byte_and_of_the_longest_use_the_same_randomness_and_size),
        cmocka_unit_test(letters_that_would_upset_the_counting_are_refused),
        cmocka_unit_test(an_empty_text_and_one_that_is_no_utf8_are_refused),
        cmocka_unit_test(an_acknowledgement_holds_whole_message_ids),
    };
    return cmocka_run_group_tests_name("client_seal", tests, NULL, NULL);
}
