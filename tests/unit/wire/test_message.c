// Messages that manage a link: each comes back as it was, and only whole.
#include "wire/message.h"

#include "wire/codec.h"
#include "wire/directory.h"

static bool takes_hello(void *ctx, struct span bytes) {
    return hello_decode(ctx, bytes) == OK;
}

static void a_hello_comes_back_as_it_was(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct hello hello = {.version = (uint16_t)rng_u64(&rng), .epoch = rng_u32(&rng), .wall_ms = rng_u64(&rng)};
        rng_bytes(&rng, hello.network.bytes, sizeof hello.network.bytes);
        uint8_t bytes[HELLO_BYTES];
        struct hello back;
        assert_int_equal(hello_encode(bytes, &hello), HELLO_BYTES);
        assert_int_equal(hello_decode(&back, SPAN_OF(bytes)), OK);
        assert_int_equal(back.version, hello.version);
        assert_int_equal(back.epoch, hello.epoch);
        assert_int_equal(back.wall_ms, hello.wall_ms);
        assert_memory_equal(back.network.bytes, hello.network.bytes, 32);
        if (seed == 0)
            takes_exactly(&(struct parser){takes_hello, &back}, SPAN_OF(bytes));
    }
}

static bool takes_handles(void *ctx, struct span bytes) {
    struct handle handles[HANDLES_PER_LINK_MAX];
    (void)ctx;
    size_t count;
    return handles_decode(handles, &count, bytes) == OK;
}

static void handles_come_back_as_they_were_whatever_their_number(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(3);
    struct handle handles[HANDLES_PER_LINK_MAX];
    rng_bytes(&rng, handles, sizeof handles);
    for (size_t count = 1; count <= HANDLES_PER_LINK_MAX; count++) {
        uint8_t bytes[HANDLES_BYTES_MAX];
        struct handle back[HANDLES_PER_LINK_MAX];
        size_t back_count = 0;
        size_t n = handles_encode(bytes, handles, count);
        assert_int_equal(handles_decode(back, &back_count, span_of(bytes, n)), OK);
        assert_int_equal(back_count, count);
        assert_memory_equal(back, handles, count * sizeof *handles);
        takes_exactly(&(struct parser){takes_handles, NULL}, span_of(bytes, n));
    }
}

static void no_handles_or_too_many_are_refused(void **state) {
    (void)state;
    uint8_t bytes[2 + 255 * 16] = {MESSAGE_HANDLES};
    const struct parser parser = {takes_handles, NULL};
    for (unsigned count = 0; count < 256; count++) {
        bytes[1] = (uint8_t)count;
        assert_int_equal(parser_takes(&parser, span_of(bytes, 2 + count * 16)), count >= 1 && count <= 64);
    }
}

static bool takes_ping(void *ctx, struct span bytes) {
    return ping_decode(ctx, bytes) == OK;
}

static void pings_and_pongs_carry_their_token(void **state) {
    (void)state;
    uint8_t bytes[9];
    uint64_t token = 0;
    assert_int_equal(ping_encode(bytes, MESSAGE_PING, UINT64_C(0x1122334455667788)), 9);
    assert_int_equal(ping_decode(&token, SPAN_OF(bytes)), OK);
    assert_int_equal(token, UINT64_C(0x1122334455667788));
    takes_exactly(&(struct parser){takes_ping, &token}, SPAN_OF(bytes));
    assert_int_equal(ping_encode(bytes, MESSAGE_PONG, 7), 9);
    assert_int_equal(ping_decode(&token, SPAN_OF(bytes)), OK);
    assert_int_equal(token, 7);
}

static bool takes_get_directory(void *ctx, struct span bytes) {
    return get_directory_decode(ctx, bytes) == OK;
}

static void a_directory_is_asked_for_and_answered(void **state) {
    (void)state;
    uint8_t bytes[5];
    uint32_t epoch = 0;
    assert_int_equal(get_directory_encode(bytes, 0x01020304), 5);
    assert_int_equal(get_directory_decode(&epoch, SPAN_OF(bytes)), OK);
    assert_int_equal(epoch, 0x01020304);
    takes_exactly(&(struct parser){takes_get_directory, &epoch}, SPAN_OF(bytes));

    struct buf message = {0};
    struct span directory;
    directory_message_encode(&message, 9, SPAN_LITERAL("signed bytes"));
    assert_int_equal(directory_message_decode(&epoch, &directory, buf_span(&message)), OK);
    assert_int_equal(epoch, 9);
    assert_true(span_equal(directory, SPAN_LITERAL("signed bytes")));
    for (size_t n = 0; n < 5; n++)
        assert_int_equal(directory_message_decode(&epoch, &directory, span_of(message.p, n)), ERR_MALFORMED);
    buf_clear(&message);
    directory_message_encode(&message, 9, (struct span){0});
    assert_int_equal(directory_message_decode(&epoch, &directory, buf_span(&message)), OK);
    assert_int_equal(directory.n, 0);
    buf_free(&message);
}

static void a_message_of_another_kind_is_refused(void **state) {
    (void)state;
    uint8_t bytes[HELLO_BYTES] = {0};
    struct hello hello;
    uint64_t token;
    uint32_t epoch;
    for (unsigned kind = 0; kind < 256; kind++) {
        bytes[0] = (uint8_t)kind;
        bytes[1] = 1; // one handle
        assert_int_equal(takes_hello(&hello, SPAN_OF(bytes)), kind == MESSAGE_HELLO);
        assert_int_equal(takes_handles(NULL, span_of(bytes, 18)), kind == MESSAGE_HANDLES);
        assert_int_equal(takes_ping(&token, span_of(bytes, 9)), kind == MESSAGE_PING || kind == MESSAGE_PONG);
        assert_int_equal(takes_get_directory(&epoch, span_of(bytes, 5)), kind == MESSAGE_GET_DIRECTORY);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hello_comes_back_as_it_was),
        cmocka_unit_test(handles_come_back_as_they_were_whatever_their_number),
        cmocka_unit_test(no_handles_or_too_many_are_refused),
        cmocka_unit_test(pings_and_pongs_carry_their_token),
        cmocka_unit_test(a_directory_is_asked_for_and_answered),
        cmocka_unit_test(a_message_of_another_kind_is_refused),
    };
    return cmocka_run_group_tests_name("messages", tests, codec_setup, NULL);
}
