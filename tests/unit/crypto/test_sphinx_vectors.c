// The vectors of docs/spec/packet.md, made by the independent oracle in tests/oracle: the C code makes the same packets
// out of the same randomness, peels them to the same bytes, and refuses what the specification refuses.
#include "crypto/sphinx_format.h"

#include "base/cursor.h"
#include "crypto/vectors.h"

struct fixture {
    json_t *json;
    struct sphinx_hop hops[SPHINX_HOPS_MAX];
    struct sphinx_relay_key keys[SPHINX_HOPS_MAX];
};

static void fixture_load(struct fixture *f) {
    f->json = spec_vectors_load("packet.json");
    size_t i;
    json_t *hop;
    json_array_foreach(json_object_get(f->json, "hops"), i, hop) {
        assert_true(i < SPHINX_HOPS_MAX);
        struct sphinx_relay_key *key = &f->keys[i];
        uint8_t secret[32], onion[32];
        json_hex_into(secret, 32, hop, "secret");
        json_hex_into(onion, 32, hop, "onion");
        dh_key_from_seed(&key->secret, &key->public, secret);
        assert_memory_equal(key->public.bytes, onion, 32);
        key->epoch = (uint32_t)json_integer_value(json_object_get(hop, "epoch"));
        f->hops[i] = (struct sphinx_hop){
            .onion = key->public,
            .key_epoch = (uint8_t)key->epoch,
            .delay_ms = (uint32_t)json_integer_value(json_object_get(hop, "delay_ms")),
        };
        json_hex_into(f->hops[i].id, 32, hop, "id");
    }
    assert_int_equal(i, SPHINX_HOPS_MAX);
}

static size_t count_of(const json_t *json) {
    return (size_t)json_integer_value(json_object_get(json, "count"));
}

static void random_read(struct sphinx_header_random *random, const json_t *json) {
    json_hex_into(random->ephemeral, sizeof random->ephemeral, json, "ephemeral");
    json_hex_into(random->end_gamma, sizeof random->end_gamma, json, "end_gamma");
    json_hex_into(random->padding, sizeof random->padding, json, "padding");
}

static uint64_t trace_of(const json_t *json) {
    uint8_t bytes[8];
    json_hex_into(bytes, sizeof bytes, json, "trace");
    return load_u64(bytes);
}

// One hop's result against the vector; the packet becomes the peeled one.
static void step_check(uint8_t packet[static SPHINX_PACKET_BYTES], const struct sphinx_relay_key *key,
                       const json_t *step) {
    uint8_t tag[SPHINX_REPLAY_TAG_BYTES], slot[SPHINX_SLOT_BYTES], next[SPHINX_PACKET_BYTES];
    json_hex_into(tag, sizeof tag, step, "replay_tag");
    json_hex_into(slot, sizeof slot, step, "slot");
    json_hex_into(next, sizeof next, step, "packet");
    struct sphinx_peeled peeled;
    assert_int_equal(sphinx_peel(&peeled, key, 1, packet, true), OK);
    assert_memory_equal(peeled.replay_tag, tag, sizeof tag);
    assert_int_equal(peeled.type, slot[SLOT_TYPE]);
    assert_int_equal(peeled.delay_ms, load_u32(slot + SLOT_DELAY));
    assert_memory_equal(peeled.next_id, slot + SLOT_NEXT_ID, 32);
    assert_true(peeled.trace == load_u64(slot + SLOT_TRACE));
    assert_memory_equal(peeled.packet, next, sizeof next);
    memcpy(packet, next, sizeof next);
}

static void steps_check(uint8_t packet[static SPHINX_PACKET_BYTES], const struct fixture *f, const json_t *json) {
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(json, "peeled"), i, step) step_check(packet, &f->keys[i], step);
    assert_int_equal(i, count_of(json));
}

static void packets_are_made_and_peeled_as_in_the_specification(void **state) {
    (void)state;
    struct fixture f;
    fixture_load(&f);
    size_t i;
    json_t *json;
    json_array_foreach(json_object_get(f.json, "packets"), i, json) {
        struct sphinx_header_random random;
        uint8_t made[SPHINX_PACKET_BYTES], expected[SPHINX_PACKET_BYTES];
        random_read(&random, json);
        json_hex_into(expected, sizeof expected, json, "packet");
        struct buf body = json_hex(json, "body");
        const struct sphinx_end end = {.type = SPHINX_DELIVER, .trace = trace_of(json)};
        assert_int_equal(sphinx_make_with(made, f.hops, count_of(json), &end, buf_span(&body), &random), OK);
        assert_memory_equal(made, expected, sizeof made);
        steps_check(made, &f, json);
        struct span opened;
        assert_int_equal(sphinx_payload_open(&opened, made + SPHINX_HEADER_BYTES), OK);
        assert_true(span_equal(opened, buf_span(&body)));
        buf_free(&body);
    }
    assert_int_equal(i, SPHINX_HOPS_MAX);
    json_decref(f.json);
}

static void surb_random_read(struct sphinx_surb_random *random, const json_t *json) {
    random_read(&random->header, json);
    json_hex_into(random->id, sizeof random->id, json, "id");
    json_hex_into(random->seed, sizeof random->seed, json, "seed");
}

static void seeds_check(const struct sphinx_surb_keys *keys, const json_t *json) {
    size_t i;
    json_t *seed;
    assert_int_equal(keys->count, count_of(json));
    json_array_foreach(json_object_get(json, "seeds"), i, seed) {
        uint8_t expected[32];
        assert_int_equal(hex_decode(expected, sizeof expected, json_string_value(seed)), OK);
        assert_memory_equal(keys->seeds[i], expected, sizeof expected);
    }
}

static void reply_check(const struct fixture *f, const json_t *json) {
    struct sphinx_surb_random random;
    struct sphinx_surb_keys keys;
    uint8_t handle[16], made[SPHINX_SURB_BYTES], expected[SPHINX_SURB_BYTES];
    uint8_t first_hop[32], packet[SPHINX_PACKET_BYTES], expected_packet[SPHINX_PACKET_BYTES];
    surb_random_read(&random, json);
    json_hex_into(handle, sizeof handle, json, "handle");
    json_hex_into(expected, sizeof expected, json, "surb");
    json_hex_into(expected_packet, sizeof expected_packet, json, "packet");
    struct buf body = json_hex(json, "body");
    assert_int_equal(sphinx_surb_make_with(made, &keys, f->hops, count_of(json), handle, &random), OK);
    assert_memory_equal(made, expected, sizeof made);
    seeds_check(&keys, json);
    assert_int_equal(sphinx_surb_use(packet, first_hop, made, buf_span(&body)), OK);
    assert_memory_equal(first_hop, f->hops[0].id, 32);
    assert_memory_equal(packet, expected_packet, sizeof packet);
    steps_check(packet, f, json);
    struct span opened;
    assert_int_equal(sphinx_surb_open(packet + SPHINX_HEADER_BYTES, &opened, &keys), OK);
    assert_true(span_equal(opened, buf_span(&body)));
    buf_free(&body);
}

static void reply_blocks_are_made_used_and_opened_as_in_the_specification(void **state) {
    (void)state;
    struct fixture f;
    fixture_load(&f);
    size_t i;
    json_t *json;
    json_array_foreach(json_object_get(f.json, "replies"), i, json) reply_check(&f, json);
    assert_int_equal(i, SPHINX_HOPS_MAX);
    json_decref(f.json);
}

static void what_the_specification_refuses_is_refused(void **state) {
    (void)state;
    struct fixture f;
    fixture_load(&f);
    size_t i;
    json_t *json;
    json_array_foreach(json_object_get(f.json, "refused"), i, json) {
        uint8_t packet[SPHINX_PACKET_BYTES] = {0};
        json_hex_into(packet, SPHINX_HEADER_BYTES, json, "header");
        struct sphinx_peeled peeled, untouched;
        memset(&peeled, 0xaa, sizeof peeled);
        memset(&untouched, 0xaa, sizeof untouched);
        if (sphinx_peel(&peeled, &f.keys[0], 1, packet, false) != ERR_AUTH)
            fail_msg("accepted: %s", json_text(json, "why"));
        assert_memory_equal(&peeled, &untouched, sizeof peeled);
    }
    assert_true(i > 20);
    json_decref(f.json);
}

static void lioness_agrees_with_the_specification(void **state) {
    (void)state;
    json_t *vectors = spec_vectors_load("packet.json");
    size_t i;
    json_t *json;
    json_array_foreach(json_object_get(vectors, "lioness"), i, json) {
        uint8_t key[192];
        json_hex_into(key, sizeof key, json, "key");
        struct buf block = json_hex(json, "plain"), plain = json_hex(json, "plain"), cipher = json_hex(json, "cipher");
        lioness_encrypt(block.p, block.n, key);
        assert_true(span_equal(buf_span(&block), buf_span(&cipher)));
        lioness_decrypt(block.p, block.n, key);
        assert_true(span_equal(buf_span(&block), buf_span(&plain)));
        buf_free(&block);
        buf_free(&plain);
        buf_free(&cipher);
    }
    assert_int_equal(i, 4);
    json_decref(vectors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_are_made_and_peeled_as_in_the_specification),
        cmocka_unit_test(reply_blocks_are_made_used_and_opened_as_in_the_specification),
        cmocka_unit_test(what_the_specification_refuses_is_refused),
        cmocka_unit_test(lioness_agrees_with_the_specification),
    };
    return cmocka_run_group_tests(tests, vectors_setup, NULL);
}
