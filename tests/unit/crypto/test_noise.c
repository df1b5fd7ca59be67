// The Noise engine against published handshakes, and what it refuses.
#include "crypto/noise.h"

#include "crypto/vectors.h"

// Index as in enum noise_pattern.
static const char *const names[NOISE_PATTERNS] = {"N", "X", "NK", "KK", "XX", "IK", "IX"};

struct party {
    struct dh_secret own, ephemeral;
    struct dh_public peer;
    uint8_t psks[NOISE_PSKS_MAX][32];
    struct buf prologue;
    struct noise_config config;
    struct noise_handshake handshake;
    struct noise_cipher send, receive;
};

// "XXpsk0+psk3_25519_ChaChaPoly_SHA256" into pattern and places; false for what we do not speak.
static bool protocol_parse(struct noise_config *config, const char *name) {
    const char *suite = strchr(name + strlen("Noise_"), '_');
    if (strncmp(name, "Noise_", 6) != 0 || !suite || strcmp(suite, "_25519_ChaChaPoly_SHA256") != 0)
        return false;
    const char *p = name + 6;
    size_t n = strspn(p, "NKXI");
    config->pattern = NOISE_PATTERNS;
    for (int i = 0; i < NOISE_PATTERNS; i++) {
        if (strlen(names[i]) == n && strncmp(names[i], p, n) == 0)
            config->pattern = (enum noise_pattern)i;
    }
    for (p += n; p < suite; p += strspn(p, "+")) {
        if (strncmp(p, "psk", 3) != 0 || p[3] < '0' || p[3] > '3')
            return false;
        config->psk_places |= (uint8_t)(1 << (p[3] - '0'));
        p += 4;
    }
    return config->pattern != NOISE_PATTERNS;
}

static const uint8_t *optional_key(uint8_t out[static 32], const json_t *json, const char *key) {
    if (!json_object_get(json, key))
        return NULL;
    json_hex_into(out, 32, json, key);
    return out;
}

static void psks_read(struct party *party, const json_t *psks) {
    size_t i;
    json_t *psk;
    json_array_foreach(psks, i, psk) {
        assert_true(i < NOISE_PSKS_MAX);
        assert_int_equal(hex_decode(party->psks[i], 32, json_string_value(psk)), OK);
    }
}

static void party_start(struct party *party, const json_t *json, bool initiator) {
    party->config.initiator = initiator;
    party->prologue = json_hex(json, initiator ? "init_prologue" : "resp_prologue");
    party->config.prologue = buf_span(&party->prologue);
    if (optional_key(party->own.bytes, json, initiator ? "init_static" : "resp_static"))
        party->config.own = &party->own;
    if (optional_key(party->peer.bytes, json, initiator ? "init_remote_static" : "resp_remote_static"))
        party->config.peer = &party->peer;
    if (optional_key(party->ephemeral.bytes, json, initiator ? "init_ephemeral" : "resp_ephemeral"))
        party->config.ephemeral = &party->ephemeral;
    psks_read(party, json_object_get(json, initiator ? "init_psks" : "resp_psks"));
    party->config.psks = (const uint8_t(*)[32])party->psks;
    noise_start(&party->handshake, &party->config);
}

// One message from `from` to `to`: in the handshake while that lasts, then as transport.
static void message_check(struct party *from, struct party *to, const json_t *json) {
    struct buf payload = json_hex(json, "payload"), expected = json_hex(json, "ciphertext");
    uint8_t sealed[4096], opened[4096];
    if (!noise_done(&from->handshake)) {
        assert_int_equal(payload.n + noise_overhead(&from->handshake), expected.n);
        assert_int_equal(noise_overhead(&to->handshake), noise_overhead(&from->handshake));
        assert_int_equal(noise_write(sealed, &from->handshake, buf_span(&payload)), OK);
        assert_memory_equal(sealed, expected.p, expected.n);
        assert_int_equal(noise_read(opened, &to->handshake, buf_span(&expected)), OK);
        if (noise_done(&from->handshake)) {
            noise_split(&from->send, &from->receive, &from->handshake);
            noise_split(&to->send, &to->receive, &to->handshake);
        }
    } else {
        noise_seal(sealed, &from->send, (struct span){0}, buf_span(&payload));
        assert_memory_equal(sealed, expected.p, expected.n);
        assert_int_equal(noise_open(opened, &to->receive, (struct span){0}, buf_span(&expected)), OK);
    }
    assert_memory_equal(opened, payload.p, payload.n);
    buf_free(&payload);
    buf_free(&expected);
}

static void conversation_check(const json_t *json, const struct noise_config *config) {
    struct party initiator = {.config = *config}, responder = {.config = *config};
    party_start(&initiator, json, true);
    party_start(&responder, json, false);
    bool one_way = config->pattern == NOISE_N || config->pattern == NOISE_X;
    size_t i;
    json_t *message;
    json_array_foreach(json_object_get(json, "messages"), i, message) {
        if (i % 2 == 0 || one_way)
            message_check(&initiator, &responder, message);
        else
            message_check(&responder, &initiator, message);
    }
    assert_true(noise_done(&initiator.handshake));
    assert_memory_equal(initiator.handshake.hash, responder.handshake.hash, 32);
    uint8_t hash[32];
    if (optional_key(hash, json, "handshake_hash"))
        assert_memory_equal(initiator.handshake.hash, hash, 32);
    buf_free(&initiator.prologue);
    buf_free(&responder.prologue);
}

static void handshakes_agree_with_cacophony_and_snow(void **state) {
    (void)state;
    json_t *json = vectors_load("noise_25519_chachapoly.json");
    size_t checked[NOISE_PATTERNS] = {0}, with_psk = 0, i;
    json_t *vector;
    json_array_foreach(json_object_get(json, "vectors"), i, vector) {
        struct noise_config config = {0};
        if (!protocol_parse(&config, json_text(vector, "protocol_name")))
            continue;
        conversation_check(vector, &config);
        checked[config.pattern]++;
        with_psk += config.psk_places != 0;
    }
    for (i = 0; i < NOISE_PATTERNS; i++)
        assert_true(checked[i] > 0);
    assert_true(with_psk > 5);
    json_decref(json);
}

struct letter {
    struct rng rng;
    struct dh_secret sender, recipient;
    struct dh_public sender_public, recipient_public;
    uint8_t sealed[6 + NOISE_X_OVERHEAD_BYTES];
};

static void letter_write(struct letter *letter) {
    const uint8_t seed[32] = {5};
    rng_init(&letter->rng, seed);
    dh_key_new(&letter->sender, &letter->sender_public, &letter->rng);
    dh_key_new(&letter->recipient, &letter->recipient_public, &letter->rng);
    assert_int_equal(noise_x_seal(letter->sealed, &letter->sender, &letter->recipient_public, SPAN_LITERAL("prologue"),
                                  SPAN_LITERAL("a text"), &letter->rng),
                     OK);
}

static void a_sealed_letter_opens_and_names_its_sender(void **state) {
    (void)state;
    struct letter letter;
    struct dh_public sender;
    uint8_t plain[6];
    letter_write(&letter);
    assert_int_equal(noise_x_open(plain, &sender, &letter.recipient, SPAN_LITERAL("prologue"), SPAN_OF(letter.sealed)),
                     OK);
    assert_memory_equal(plain, "a text", 6);
    assert_memory_equal(sender.bytes, letter.sender_public.bytes, 32);
}

static void a_letter_is_refused_with_another_prologue_or_key(void **state) {
    (void)state;
    struct letter letter;
    struct dh_public sender = {{0}}, untouched = {{0}};
    uint8_t plain[6];
    letter_write(&letter);
    assert_int_equal(noise_x_open(plain, &sender, &letter.recipient, SPAN_LITERAL("prologuE"), SPAN_OF(letter.sealed)),
                     ERR_AUTH);
    assert_int_equal(noise_x_open(plain, &sender, &letter.sender, SPAN_LITERAL("prologue"), SPAN_OF(letter.sealed)),
                     ERR_AUTH);
    assert_memory_equal(&sender, &untouched, sizeof sender);
}

static void every_flipped_bit_of_a_letter_is_refused(void **state) {
    (void)state;
    struct letter letter;
    struct dh_public sender;
    uint8_t plain[6];
    letter_write(&letter);
    for (size_t bit = 0; bit < 8 * sizeof letter.sealed; bit++) {
        letter.sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(
            noise_x_open(plain, &sender, &letter.recipient, SPAN_LITERAL("prologue"), SPAN_OF(letter.sealed)),
            ERR_AUTH);
        letter.sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void a_letter_cut_short_is_refused(void **state) {
    (void)state;
    struct letter letter;
    struct dh_public sender;
    uint8_t plain[6];
    letter_write(&letter);
    for (size_t n = 0; n < sizeof letter.sealed; n++) {
        assert_int_equal(
            noise_x_open(plain, &sender, &letter.recipient, SPAN_LITERAL("prologue"), span_of(letter.sealed, n)),
            ERR_AUTH);
    }
}

static void a_first_message_in_clear_cut_short_is_refused(void **state) {
    (void)state;
    const struct noise_config config = {.pattern = NOISE_XX};
    for (size_t n = 0; n < 32; n++) {
        struct noise_handshake handshake;
        uint8_t plain[1], *message = mem_new(1, n + 1);
        noise_start(&handshake, &config);
        assert_int_equal(noise_read(plain, &handshake, span_of(message, n)), ERR_AUTH);
        assert_true(handshake.failed);
        free(message);
    }
}

static void a_letter_to_a_bad_key_is_not_written(void **state) {
    (void)state;
    struct letter letter;
    letter_write(&letter);
    memset(letter.recipient_public.bytes, 0, 32);
    assert_int_equal(noise_x_seal(letter.sealed, &letter.sender, &letter.recipient_public, (struct span){0},
                                  SPAN_LITERAL("a text"), &letter.rng),
                     ERR_AUTH);
}

static void two_letters_with_one_text_share_nothing(void **state) {
    (void)state;
    struct letter letter;
    letter_write(&letter);
    uint8_t second[sizeof letter.sealed];
    assert_int_equal(noise_x_seal(second, &letter.sender, &letter.recipient_public, SPAN_LITERAL("prologue"),
                                  SPAN_LITERAL("a text"), &letter.rng),
                     OK);
    for (size_t i = 0; i + 8 <= sizeof second; i++)
        assert_memory_not_equal(second + i, letter.sealed + i, 8);
}

static void a_refused_transport_message_can_be_followed_by_the_right_one(void **state) {
    (void)state;
    struct noise_cipher send = {.key = {1}, .keyed = true}, receive = send;
    uint8_t sealed[6 + 16], plain[6];
    noise_seal(sealed, &send, (struct span){0}, SPAN_LITERAL("a text"));
    sealed[3] ^= 1;
    assert_int_equal(noise_open(plain, &receive, (struct span){0}, SPAN_OF(sealed)), ERR_AUTH);
    sealed[3] ^= 1;
    assert_int_equal(noise_open(plain, &receive, (struct span){0}, SPAN_OF(sealed)), OK);
    assert_int_equal(noise_open(plain, &receive, (struct span){0}, SPAN_OF(sealed)), ERR_AUTH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes_agree_with_cacophony_and_snow),
        cmocka_unit_test(a_sealed_letter_opens_and_names_its_sender),
        cmocka_unit_test(a_letter_is_refused_with_another_prologue_or_key),
        cmocka_unit_test(every_flipped_bit_of_a_letter_is_refused),
        cmocka_unit_test(a_letter_cut_short_is_refused),
        cmocka_unit_test(a_first_message_in_clear_cut_short_is_refused),
        cmocka_unit_test(a_letter_to_a_bad_key_is_not_written),
        cmocka_unit_test(two_letters_with_one_text_share_nothing),
        cmocka_unit_test(a_refused_transport_message_can_be_followed_by_the_right_one),
    };
    return cmocka_run_group_tests(tests, vectors_setup, NULL);
}
