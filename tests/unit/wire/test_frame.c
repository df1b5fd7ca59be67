// Frames: cut and put together in every way, two lanes at once, bounded whatever comes.
#include "wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

static void put_frame(struct buf *out, enum frame_lane lane, uint8_t kind, struct span body) {
    size_t sent = 0;
    do {
        sent += frame_part_encode(out, lane, kind, body, sent);
    } while (sent < body.n);
}

static struct frame_reader reader_for(size_t bytes_max) {
    return (struct frame_reader){.bytes_max = bytes_max};
}

// Expects one whole frame in the bytes, and nothing after it.
static void assert_frame(struct span bytes, uint8_t kind, struct span body) {
    struct frame_reader reader = reader_for(FRAME_BODY_BYTES_MAX);
    struct frame frame;
    bool complete = false;
    assert_int_equal(frame_take(&reader, &frame, &complete, &bytes), OK);
    assert_true(complete);
    assert_int_equal(bytes.n, 0);
    assert_int_equal(frame.kind, kind);
    assert_true(span_equal(buf_span(&frame.body), body));
    buf_free(&frame.body);
    frame_reader_free(&reader);
}

static void a_short_frame_has_the_bytes_of_the_specification(void **state) {
    (void)state;
    struct buf out = {0};
    put_frame(&out, FRAME_URGENT, 49, SPAN_LITERAL("ab"));
    put_frame(&out, FRAME_BULK, 18, (struct span){0});
    static const uint8_t expected[] = {0, 0, 0, 2, 49, 'a', 'b', 0, 0, 0, 0, 0x40 | 18};
    assert_true(span_equal(buf_span(&out), SPAN_OF(expected)));
    buf_free(&out);
}

static void a_long_frame_is_cut_into_parts_of_one_send(void **state) {
    (void)state;
    size_t n = 2 * FRAME_PART_BYTES + 1;
    struct buf body = {0}, out = {0};
    memset(buf_extend(&body, n), 7, n);
    put_frame(&out, FRAME_BULK, 20, buf_span(&body));
    assert_int_equal(out.n, n + 3 * FRAME_HEAD_BYTES);
    assert_int_equal(out.p[4], 0x80 | 0x40 | 20);
    assert_int_equal(out.p[16 * 1024 + 4], 0x80 | 0x40 | 20);
    assert_int_equal(out.p[2 * 16 * 1024 + 4], 0x40 | 20);
    assert_frame(buf_span(&out), 20, buf_span(&body));
    buf_free(&body);
    buf_free(&out);
}

static void bodies_around_the_length_of_a_part_come_back(void **state) {
    (void)state;
    static const size_t lengths[] = {
        0, 1, FRAME_PART_BYTES - 1, FRAME_PART_BYTES, FRAME_PART_BYTES + 1, 2 * FRAME_PART_BYTES, FRAME_BODY_BYTES_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct buf body = {0}, out = {0};
        memset(buf_extend(&body, lengths[i]), (int)i, lengths[i]);
        put_frame(&out, FRAME_URGENT, 48, buf_span(&body));
        assert_frame(buf_span(&out), 48, buf_span(&body));
        buf_free(&body);
        buf_free(&out);
    }
}

// ---- by seed: frames of both lanes interleaved, the bytes cut anywhere ----

#define FRAMES 12
#define SEEDS 100

struct stream {
    struct buf bodies[FRAMES];
    enum frame_lane lanes[FRAMES];
    size_t order[FRAMES]; // in which they are complete
    struct buf bytes;
};

// Each lane sends its frames in turn; which lane comes next is drawn for each part.
static void make_stream(struct stream *stream, struct rng *rng) {
    *stream = (struct stream){0};
    size_t at[FRAME_LANES] = {0}, sent[FRAME_LANES] = {0}, completed = 0;
    for (size_t i = 0; i < FRAMES; i++) {
        size_t n = (size_t)rng_below(rng, rng_below(rng, 4) == 0 ? 3 * FRAME_PART_BYTES : 50);
        stream->lanes[i] = rng_below(rng, 2) == 0 ? FRAME_URGENT : FRAME_BULK;
        rng_bytes(rng, buf_extend(&stream->bodies[i], n), n);
    }
    while (completed < FRAMES) {
        size_t lane = (size_t)rng_below(rng, FRAME_LANES);
        while (at[lane] < FRAMES && stream->lanes[at[lane]] != lane)
            at[lane]++;
        if (at[lane] == FRAMES)
            continue;
        struct span body = buf_span(&stream->bodies[at[lane]]);
        sent[lane] +=
            frame_part_encode(&stream->bytes, (enum frame_lane)lane, (uint8_t)(16 + at[lane]), body, sent[lane]);
        if (sent[lane] == body.n) {
            stream->order[completed++] = at[lane]++;
            sent[lane] = 0;
        }
    }
}

static void free_stream(struct stream *stream) {
    for (size_t i = 0; i < FRAMES; i++)
        buf_free(&stream->bodies[i]);
    buf_free(&stream->bytes);
}

static void read_in_pieces(const struct stream *stream, struct rng *rng) {
    struct frame_reader reader = reader_for(3 * FRAME_PART_BYTES);
    size_t completed = 0;
    struct span left = buf_span(&stream->bytes);
    while (left.n > 0) {
        size_t n = 1 + (size_t)rng_below(rng, rng_below(rng, 2) == 0 ? 7 : 40000);
        n = n < left.n ? n : left.n;
        struct span piece = span_of(left.p, n);
        left = span_of(left.p + n, left.n - n);
        while (piece.n > 0) {
            struct frame frame;
            bool complete = false;
            assert_int_equal(frame_take(&reader, &frame, &complete, &piece), OK);
            if (!complete)
                continue;
            size_t i = stream->order[completed++];
            assert_int_equal(frame.kind, 16 + i);
            assert_true(span_equal(buf_span(&frame.body), buf_span(&stream->bodies[i])));
            buf_free(&frame.body);
        }
    }
    assert_int_equal(completed, FRAMES);
    frame_reader_free(&reader);
}

static void frames_of_two_lanes_come_back_however_the_bytes_are_cut(void **state) {
    (void)state;
    for (uint8_t run = 0; run < SEEDS; run++) {
        uint8_t seed[RNG_SEED_BYTES] = {run};
        struct rng rng;
        rng_init(&rng, seed);
        struct stream stream;
        make_stream(&stream, &rng);
        read_in_pieces(&stream, &rng);
        free_stream(&stream);
    }
}

// ---- what is refused ----

static enum err take_all(struct frame_reader *reader, struct span bytes) {
    enum err err = OK;
    while (err == OK && bytes.n > 0) {
        struct frame frame;
        bool complete = false;
        err = frame_take(reader, &frame, &complete, &bytes);
        if (err == OK && complete)
            buf_free(&frame.body);
    }
    return err;
}

static void assert_refused(struct span bytes, enum err expected) {
    struct frame_reader reader = reader_for(FRAME_BODY_BYTES_MAX);
    assert_int_equal(take_all(&reader, bytes), expected);
    frame_reader_free(&reader);
}

static void parts_that_no_sender_makes_are_refused(void **state) {
    (void)state;
    static const uint8_t empty_part[] = {0, 0, 0, 0, 0x80 | 20};
    static const uint8_t too_long[] = {0, 0, 0x3f, 0xfc, 20};
    static const uint8_t far_too_long[] = {0xff, 0xff, 0xff, 0xff, 20};
    static const uint8_t mixed[] = {0, 0, 0, 1, 0x80 | 20, 'a', 0, 0, 0, 1, 21};
    static const uint8_t lanes[] = {0, 0, 0, 1, 0x80 | 20, 'a', 0, 0, 0, 1, 0x40 | 21, 'b'};
    assert_refused(SPAN_OF(empty_part), ERR_MALFORMED);
    assert_refused(SPAN_OF(too_long), ERR_MALFORMED);
    assert_refused(SPAN_OF(far_too_long), ERR_MALFORMED);
    assert_refused(SPAN_OF(mixed), ERR_MALFORMED);
    assert_refused(SPAN_OF(lanes), OK); // two lanes are no mixture
}

static void a_body_over_the_bound_is_refused_before_it_is_kept(void **state) {
    (void)state;
    struct buf body = {0}, out = {0};
    memset(buf_extend(&body, 40000), 1, 40000);
    put_frame(&out, FRAME_BULK, 20, buf_span(&body));
    struct frame_reader reader = reader_for(39999);
    assert_int_equal(take_all(&reader, buf_span(&out)), ERR_TOO_LONG);
    assert_int_equal(reader.lanes[FRAME_BULK].body.n, 2 * FRAME_PART_BYTES);
    frame_reader_free(&reader);
    reader = reader_for(40000);
    assert_int_equal(take_all(&reader, buf_span(&out)), OK);
    frame_reader_free(&reader);
    buf_free(&body);
    buf_free(&out);
}

static void a_claimed_length_takes_no_memory(void **state) {
    (void)state;
    static const uint8_t head[] = {0, 0, 0x3f, 0xfb, 0x80 | 20};
    struct frame_reader reader = reader_for(FRAME_BODY_BYTES_MAX);
    assert_int_equal(take_all(&reader, SPAN_OF(head)), OK);
    assert_int_equal(reader.lanes[FRAME_URGENT].body.capacity, 0);
    frame_reader_free(&reader);
}

// ---- hello ----

static void a_hello_comes_back(void **state) {
    (void)state;
    struct ledger_hello hello = {.version = 1, .network = {{3}}, .role = LEDGER_FOLLOWER, .height = 77}, again;
    uint8_t bytes[LEDGER_HELLO_BYTES];
    assert_int_equal(ledger_hello_encode(bytes, &hello), sizeof bytes);
    assert_int_equal(ledger_hello_decode(&again, SPAN_OF(bytes)), OK);
    assert_int_equal(again.version, 1);
    assert_int_equal(again.role, LEDGER_FOLLOWER);
    assert_int_equal(again.height, 77);
    assert_memory_equal(again.network.bytes, hello.network.bytes, 32);
    for (size_t n = 0; n < sizeof bytes; n++)
        assert_int_equal(ledger_hello_decode(&again, span_of(bytes, n)), ERR_MALFORMED);
    bytes[34] = 0;
    assert_int_equal(ledger_hello_decode(&again, SPAN_OF(bytes)), ERR_MALFORMED);
    bytes[34] = LEDGER_LIGHT + 1;
    assert_int_equal(ledger_hello_decode(&again, SPAN_OF(bytes)), ERR_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_frame_has_the_bytes_of_the_specification),
        cmocka_unit_test(a_long_frame_is_cut_into_parts_of_one_send),
        cmocka_unit_test(bodies_around_the_length_of_a_part_come_back),
        cmocka_unit_test(frames_of_two_lanes_come_back_however_the_bytes_are_cut),
        cmocka_unit_test(parts_that_no_sender_makes_are_refused),
        cmocka_unit_test(a_body_over_the_bound_is_refused_before_it_is_kept),
        cmocka_unit_test(a_claimed_length_takes_no_memory),
        cmocka_unit_test(a_hello_comes_back),
    };
    return cmocka_run_group_tests_name("wire/frame", tests, NULL, NULL);
}
