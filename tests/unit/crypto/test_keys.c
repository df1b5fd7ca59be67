// Signing and key agreement: published vectors, the rules on top, what a domain keeps apart.
#include "crypto/keys.h"

#include "crypto/hash.h"
#include "crypto/sign_raw.h"
#include "crypto/vectors.h"

static bool has_flag(const json_t *test, const char *flag) {
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(test, "flags"), i, item) {
        if (strcmp(json_string_value(item), flag) == 0)
            return true;
    }
    return false;
}

static void x25519_agrees_with_wycheproof_and_refuses_bad_points(void **state) {
    (void)state;
    json_t *json = vectors_load("wycheproof/x25519_test.json");
    size_t accepted = 0, refused = 0, i, j;
    json_t *group, *test;
    json_array_foreach(json_object_get(json, "testGroups"), i, group) {
        json_array_foreach(json_object_get(group, "tests"), j, test) {
            struct dh_secret secret;
            struct dh_public public;
            uint8_t expected[32], shared[32];
            json_hex_into(secret.bytes, 32, test, "private");
            json_hex_into(public.bytes, 32, test, "public");
            json_hex_into(expected, 32, test, "shared");
            bool bad = has_flag(test, "NonCanonicalPublic") || has_flag(test, "ZeroSharedSecret");
            memset(shared, 0xaa, sizeof shared);
            assert_int_equal(dh_shared(shared, &secret, &public), bad ? ERR_AUTH : OK);
            if (bad)
                memset(expected, 0, sizeof expected);
            assert_memory_equal(shared, expected, 32);
            accepted += !bad;
            refused += bad;
        }
    }
    assert_true(accepted > 400 && refused > 30);
    json_decref(json);
}

static void both_sides_agree_on_a_secret(void **state) {
    (void)state;
    const uint8_t seed[32] = {7};
    struct rng rng;
    rng_init(&rng, seed);
    for (int i = 0; i < 100; i++) {
        struct dh_secret a, b;
        struct dh_public a_public, b_public;
        uint8_t ab[32], ba[32];
        dh_key_new(&a, &a_public, &rng);
        dh_key_new(&b, &b_public, &rng);
        assert_int_equal(dh_shared(ab, &a, &b_public), OK);
        assert_int_equal(dh_shared(ba, &b, &a_public), OK);
        assert_true(keys_equal(ab, ba));
        assert_false(keys_equal(ab, a_public.bytes));
    }
}

static void every_value_from_p_upwards_is_not_canonical(void **state) {
    (void)state;
    const struct dh_secret secret = {{1}};
    struct dh_public public;
    uint8_t shared[32];
    memset(public.bytes, 0xff, 32);
    public.bytes[31] = 0x7f;
    for (unsigned low = 0xed; low <= 0xff; low++) { // p .. 2^255 - 1
        public.bytes[0] = (uint8_t)low;
        assert_int_equal(dh_shared(shared, &secret, &public), ERR_AUTH);
    }
    public.bytes[0] = 0xeb; // p - 2
    assert_int_equal(dh_shared(shared, &secret, &public), OK);
    public.bytes[30] = 0xfe;
    public.bytes[0] = 0xff;
    assert_int_equal(dh_shared(shared, &secret, &public), OK);
}

static void ed25519_agrees_with_wycheproof(void **state) {
    (void)state;
    json_t *json = vectors_load("wycheproof/ed25519_test.json");
    size_t checked = 0, i, j;
    json_t *group, *test;
    json_array_foreach(json_object_get(json, "testGroups"), i, group) {
        struct sign_public public;
        json_hex_into(public.bytes, 32, json_object_get(group, "publicKey"), "pk");
        json_array_foreach(json_object_get(group, "tests"), j, test) {
            struct buf message = json_hex(test, "msg"), signature = json_hex(test, "sig");
            if (signature.n == sizeof(struct signature)) { // other lengths cannot be expressed
                struct signature s;
                memcpy(s.bytes, signature.p, sizeof s.bytes);
                enum err expected = json_text_is(test, "result", "valid") ? OK : ERR_AUTH;
                assert_int_equal(verify_raw(&s, &public, buf_span(&message)), expected);
                checked++;
            }
            buf_free(&message);
            buf_free(&signature);
        }
    }
    assert_true(checked > 120);
    json_decref(json);
}

// "secret | public : public : message : signature | message", in hexadecimal.
static void known_answer_check(char *line) {
    char *secret_text = strtok(line, ":"), *public_text = strtok(NULL, ":"), *rest = strtok(NULL, "\n");
    assert_non_null(rest);
    char *separator = strchr(rest, ':');
    assert_non_null(separator);
    size_t n = (size_t)(separator - rest) / 2;
    *separator = 0;
    uint8_t seed[64], public_bytes[32], message[2048], expected[64];
    assert_true(n <= sizeof message);
    assert_int_equal(hex_decode(seed, 64, secret_text), OK);
    assert_int_equal(hex_decode(public_bytes, 32, public_text), OK);
    assert_int_equal(hex_decode(message, n, rest), OK);
    separator[1 + 128] = 0;
    assert_int_equal(hex_decode(expected, 64, separator + 1), OK);
    struct sign_secret secret;
    struct sign_public public;
    struct signature signature;
    sign_key_from_seed(&secret, &public, seed);
    assert_memory_equal(public.bytes, public_bytes, 32);
    sign_raw(&signature, &secret, span_of(message, n));
    assert_memory_equal(signature.bytes, expected, 64);
    assert_int_equal(verify_raw(&signature, &public, span_of(message, n)), OK);
}

static void ed25519_signs_as_in_rfc_8032(void **state) {
    (void)state;
    char path[4096];
    static char line[16384];
    vectors_path(path, sizeof path, "ed25519/rfc8032-kat.txt");
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t checked = 0;
    for (; fgets(line, sizeof line, file); checked++)
        known_answer_check(line);
    fclose(file);
    assert_int_equal(checked, 1024);
}

static enum err verdict_of(const json_t *test, const char *key, const char *signature, struct span message) {
    struct sign_public public;
    struct signature s;
    json_hex_into(public.bytes, 32, test, key);
    json_hex_into(s.bytes, 64, test, signature);
    return verify_raw(&s, &public, message);
}

// Cases on which implementations differ. Of the twelve, libsodium's rule accepts the one with mixed-order A and R and a
// canonical S alone: no small order, no cofactor, no unreduced S, no other encoding.
static void the_verification_rule_is_the_strict_one(void **state) {
    (void)state;
    json_t *json = vectors_load("ed25519/speccheck.json");
    size_t i;
    json_t *test;
    json_array_foreach(json, i, test) {
        struct buf message = json_hex(test, "message");
        assert_int_equal(verdict_of(test, "pub_key", "signature", buf_span(&message)), i == 3 ? OK : ERR_AUTH);
        buf_free(&message);
    }
    assert_int_equal(i, 12);
    json_decref(json);
}

// The verdicts on 914 edge cases are part of the protocol: receipts, directories and blocks that one node accepts all
// nodes must accept. A library that decides otherwise changes this hash.
static void the_verdict_on_edge_cases_stays_the_same(void **state) {
    (void)state;
    json_t *json = vectors_load("ed25519/cctv.json");
    uint8_t verdicts[1024] = {0};
    size_t accepted = 0, i;
    json_t *test;
    json_array_foreach(json, i, test) {
        assert_true(i < sizeof verdicts);
        bool ok = verdict_of(test, "key", "sig", span_of_text(json_text(test, "msg"))) == OK;
        assert_false(ok && (has_flag(test, "low_order_A") || has_flag(test, "non_canonical_A")));
        verdicts[i] = ok;
        accepted += ok;
    }
    assert_int_equal(i, 914);
    struct hash hash;
    char text[65];
    hash_bytes(&hash, "sotto test verdicts", span_of(verdicts, i));
    hex_encode(text, SPAN_OF(hash.bytes));
    assert_int_equal(accepted, 43);
    assert_string_equal(text, "fa814aeee731e86b100b4bd477fda6a8e5792aece5a383088d63c9e3ee9fb5da");
    json_decref(json);
}

struct signer {
    struct rng rng;
    struct sign_secret secret;
    struct sign_public public;
};

static void signer_init(struct signer *signer) {
    const uint8_t seed[32] = {9};
    rng_init(&signer->rng, seed);
    sign_key_new(&signer->secret, &signer->public, &signer->rng);
}

static void a_signature_covers_domain_and_parts(void **state) {
    (void)state;
    struct signer signer;
    signer_init(&signer);
    const struct span parts[] = {SPAN_LITERAL("ab"), {0}, SPAN_LITERAL("c")}, joined = SPAN_LITERAL("abc"),
                      other = SPAN_LITERAL("abd");
    struct signature signature, raw;
    sign_parts(&signature, &signer.secret, "sotto test", parts, 3);
    assert_int_equal(verify_parts(&signature, &signer.public, "sotto test", parts, 3), OK);
    assert_int_equal(verify_parts(&signature, &signer.public, "sotto test", &joined, 1), OK);
    assert_int_equal(verify_parts(&signature, &signer.public, "sotto test", &other, 1), ERR_AUTH);
    assert_int_equal(verify_parts(&signature, &signer.public, "sotto tesT", &joined, 1), ERR_AUTH);
    assert_int_equal(verify_parts(&signature, &signer.public, "sotto test", parts, 2), ERR_AUTH);
    sign_raw(&raw, &signer.secret, span_of("sotto test\0abc", 14));
    assert_memory_equal(signature.bytes, raw.bytes, sizeof raw.bytes);
}

static void long_parts_are_signed_as_short_ones_are(void **state) {
    (void)state;
    struct signer signer;
    signer_init(&signer);
    uint8_t bytes[70000];
    rng_bytes(&signer.rng, bytes, sizeof bytes);
    const struct span whole = SPAN_OF(bytes), halves[] = {{bytes, 30000}, {bytes + 30000, 40000}};
    struct signature signature;
    sign_parts(&signature, &signer.secret, "sotto test", halves, 2);
    assert_int_equal(verify_parts(&signature, &signer.public, "sotto test", &whole, 1), OK);
    bytes[69999] ^= 1;
    assert_int_equal(verify_parts(&signature, &signer.public, "sotto test", &whole, 1), ERR_AUTH);
}

static void every_bit_of_a_signature_counts(void **state) {
    (void)state;
    struct signer signer;
    signer_init(&signer);
    const struct span text = SPAN_LITERAL("a text");
    struct signature signature;
    sign_parts(&signature, &signer.secret, "sotto test", &text, 1);
    for (size_t bit = 0; bit < 8 * sizeof signature.bytes; bit++) {
        signature.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(verify_parts(&signature, &signer.public, "sotto test", &text, 1), ERR_AUTH);
        signature.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(verify_parts(&signature, &signer.public, "sotto test", &text, 1), OK);
}

static void keys_follow_from_their_seed(void **state) {
    (void)state;
    const uint8_t seed[32] = {3};
    struct sign_secret a, b;
    struct sign_public a_public, b_public;
    struct dh_secret c, d;
    struct dh_public c_public, d_public;
    sign_key_from_seed(&a, &a_public, seed);
    sign_key_from_seed(&b, &b_public, seed);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_equal(&a_public, &b_public, sizeof a_public);
    dh_key_from_seed(&c, &c_public, seed);
    dh_key_from_seed(&d, &d_public, seed);
    assert_memory_equal(&c, &d, sizeof c);
    assert_memory_equal(&c_public, &d_public, sizeof c_public);
}

static void what_is_wiped_is_gone(void **state) {
    (void)state;
    uint8_t bytes[32], zeros[32] = {0};
    memset(bytes, 0xaa, sizeof bytes);
    wipe(bytes, sizeof bytes);
    assert_memory_equal(bytes, zeros, sizeof bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x25519_agrees_with_wycheproof_and_refuses_bad_points),
        cmocka_unit_test(both_sides_agree_on_a_secret),
        cmocka_unit_test(every_value_from_p_upwards_is_not_canonical),
        cmocka_unit_test(ed25519_agrees_with_wycheproof),
        cmocka_unit_test(ed25519_signs_as_in_rfc_8032),
        cmocka_unit_test(the_verification_rule_is_the_strict_one),
        cmocka_unit_test(the_verdict_on_edge_cases_stays_the_same),
        cmocka_unit_test(a_signature_covers_domain_and_parts),
        cmocka_unit_test(long_parts_are_signed_as_short_ones_are),
        cmocka_unit_test(every_bit_of_a_signature_counts),
        cmocka_unit_test(keys_follow_from_their_seed),
        cmocka_unit_test(what_is_wiped_is_gone),
    };
    return cmocka_run_group_tests(tests, vectors_setup, NULL);
}
