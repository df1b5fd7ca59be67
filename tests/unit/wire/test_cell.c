// Cells, and messages cut into them and put together again.
#include "wire/cell.h"

#include "wire/codec.h"

static void decodes_to(const uint8_t *bytes, enum cell_kind kind, uint8_t flags, struct span body) {
    struct cell cell;
    assert_int_equal(cell_decode(&cell, bytes), OK);
    assert_int_equal(cell.kind, kind);
    assert_int_equal(cell.flags, flags);
    assert_true(span_equal(cell.body, body));
}

static void every_kind_of_cell_comes_back_as_it_was(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(1);
    uint8_t body[CELL_BODY_BYTES];
    uint8_t bytes[CELL_BYTES];
    rng_bytes(&rng, body, sizeof body);
    cell_encode(bytes, CELL_DUMMY, 0, (struct span){0});
    decodes_to(bytes, CELL_DUMMY, 0, (struct span){0});
    cell_encode(bytes, CELL_PACKET, 0, SPAN_OF(body));
    decodes_to(bytes, CELL_PACKET, 0, SPAN_OF(body));
    struct surb_id surb;
    memcpy(surb.bytes, body, sizeof surb.bytes);
    cell_encode_reply(bytes, &surb, body + sizeof surb.bytes);
    decodes_to(bytes, CELL_REPLY, 0, span_of(body, sizeof surb.bytes + SPHINX_PAYLOAD_BYTES));
    cell_encode(bytes, CELL_PART, CELL_FLAG_FIRST, SPAN_OF(body));
    decodes_to(bytes, CELL_PART, CELL_FLAG_FIRST, SPAN_OF(body));
    cell_encode(bytes, CELL_PART, CELL_FLAG_FIRST | CELL_FLAG_LAST, span_of(body, 1));
    decodes_to(bytes, CELL_PART, CELL_FLAG_FIRST | CELL_FLAG_LAST, span_of(body, 1));
}

static void bytes_behind_the_length_are_zero(void **state) {
    (void)state;
    uint8_t bytes[CELL_BYTES];
    memset(bytes, 0xff, sizeof bytes);
    cell_encode(bytes, CELL_PART, CELL_FLAG_FIRST | CELL_FLAG_LAST, SPAN_LITERAL("text"));
    for (size_t i = CELL_HEADER_BYTES + 4; i < CELL_BYTES; i++)
        assert_int_equal(bytes[i], 0);
}

// What the specification says of a head, written again.
static bool head_allowed(unsigned kind, unsigned flags, unsigned length) {
    if (kind == 3)
        return flags <= 3 && length <= 2418 && (flags & 2 ? length >= 1 : length == 2418);
    return flags == 0 && ((kind == 0 && length == 0) || (kind == 1 && length == 2418) || (kind == 2 && length == 2064));
}

static void only_heads_that_the_specification_allows_are_taken(void **state) {
    (void)state;
    const unsigned lengths[] = {0, 1, 2063, 2064, 2065, 2417, 2418, 2419, 2424, 65535};
    uint8_t bytes[CELL_BYTES] = {0};
    struct cell cell;
    for (unsigned kind = 0; kind < 256; kind++) {
        for (unsigned flags = 0; flags < 256; flags++) {
            for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                bytes[0] = (uint8_t)kind;
                bytes[1] = (uint8_t)flags;
                bytes[2] = (uint8_t)(lengths[i] >> 8);
                bytes[3] = (uint8_t)lengths[i];
                enum err expected = head_allowed(kind, flags, lengths[i]) ? OK : ERR_MALFORMED;
                assert_int_equal(cell_decode(&cell, bytes), expected);
            }
        }
    }
}

static void reserved_bytes_and_bytes_behind_a_part_must_be_zero(void **state) {
    (void)state;
    uint8_t bytes[CELL_BYTES];
    struct cell cell;
    cell_encode(bytes, CELL_PART, CELL_FLAG_FIRST | CELL_FLAG_LAST, SPAN_LITERAL("text"));
    for (size_t i = 4; i < CELL_BYTES; i++) {
        if (i >= CELL_HEADER_BYTES && i < CELL_HEADER_BYTES + 4)
            continue;
        bytes[i] = 0x80;
        assert_int_equal(cell_decode(&cell, bytes), ERR_MALFORMED);
        bytes[i] = 0;
    }
    assert_int_equal(cell_decode(&cell, bytes), OK);
}

static void what_a_dummy_is_filled_with_is_not_looked_at(void **state) {
    (void)state;
    uint8_t bytes[CELL_BYTES];
    memset(bytes, 0xff, sizeof bytes);
    memset(bytes, 0, CELL_HEADER_BYTES);
    decodes_to(bytes, CELL_DUMMY, 0, (struct span){0});
}

// Sends a message through cells into the assembler; false unless it came out whole with the last cell and not before.
static bool passes(struct assembler *assembler, struct span message) {
    size_t count = message_cells(message.n);
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[CELL_BYTES];
        struct cell cell;
        bool complete = false;
        message_cell(bytes, message, i);
        if (cell_decode(&cell, bytes) != OK || assembler_take(assembler, &complete, &cell) != OK)
            return false;
        if (complete != (i + 1 == count))
            return false;
    }
    return span_equal(buf_span(&assembler->message), message);
}

static void messages_of_every_awkward_length_pass_through_cells(void **state) {
    (void)state;
    const size_t lengths[] = {1, 2, 2417, 2418, 2419, 4835, 4836, 4837, 100000, 1, 50, MESSAGE_BYTES_MAX_RELAY, 7};
    struct rng rng = rng_of_seed(2);
    uint8_t *message = malloc(MESSAGE_BYTES_MAX_RELAY);
    rng_bytes(&rng, message, MESSAGE_BYTES_MAX_RELAY);
    struct assembler assembler = {.bytes_max = MESSAGE_BYTES_MAX_RELAY};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        assert_int_equal(message_cells(lengths[i]), (lengths[i] + 2417) / 2418);
        assert_true(passes(&assembler, span_of(message, lengths[i])));
    }
    assembler_free(&assembler);
    free(message);
}

static void a_link_does_not_keep_the_memory_of_a_large_message(void **state) {
    (void)state;
    static const uint8_t message[500000];
    struct assembler assembler = {.bytes_max = MESSAGE_BYTES_MAX_RELAY};
    assert_true(passes(&assembler, SPAN_OF(message)));
    assert_true(passes(&assembler, SPAN_LITERAL("x")));
    assert_true(assembler.message.capacity < 20000);
    assembler_free(&assembler);
}

static enum err take(struct assembler *assembler, uint8_t flags, size_t n, bool *complete) {
    static const uint8_t body[CELL_BODY_BYTES];
    const struct cell part = {.kind = CELL_PART, .flags = flags, .body = span_of(body, n)};
    *complete = false;
    return assembler_take(assembler, complete, &part);
}

static void parts_out_of_order_are_refused(void **state) {
    (void)state;
    struct assembler assembler = {.bytes_max = 100000};
    bool complete;
    assert_int_equal(take(&assembler, 0, CELL_BODY_BYTES, &complete), ERR_MALFORMED);
    assert_int_equal(take(&assembler, CELL_FLAG_LAST, 5, &complete), ERR_MALFORMED);
    assert_int_equal(take(&assembler, CELL_FLAG_FIRST, CELL_BODY_BYTES, &complete), OK);
    assert_int_equal(take(&assembler, CELL_FLAG_FIRST, CELL_BODY_BYTES, &complete), ERR_MALFORMED);
    // and what was under way is forgotten
    assert_int_equal(take(&assembler, CELL_FLAG_LAST, 5, &complete), ERR_MALFORMED);
    assert_int_equal(take(&assembler, CELL_FLAG_FIRST | CELL_FLAG_LAST, 5, &complete), OK);
    assert_true(complete);
    assert_int_equal(assembler.message.n, 5);
    assembler_free(&assembler);
}

static void a_message_over_the_limit_is_refused_before_it_is_held(void **state) {
    (void)state;
    struct assembler assembler = {.bytes_max = 2 * CELL_BODY_BYTES};
    bool complete;
    assert_int_equal(take(&assembler, CELL_FLAG_FIRST, CELL_BODY_BYTES, &complete), OK);
    assert_int_equal(take(&assembler, CELL_FLAG_LAST, CELL_BODY_BYTES, &complete), OK);
    assert_true(complete);
    assert_int_equal(take(&assembler, CELL_FLAG_FIRST, CELL_BODY_BYTES, &complete), OK);
    assert_int_equal(take(&assembler, 0, CELL_BODY_BYTES, &complete), OK);
    assert_int_equal(take(&assembler, CELL_FLAG_LAST, 1, &complete), ERR_TOO_LONG);
    assert_int_equal(assembler.message.n, 0);
    assembler_free(&assembler);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_cell_comes_back_as_it_was),
        cmocka_unit_test(bytes_behind_the_length_are_zero),
        cmocka_unit_test(only_heads_that_the_specification_allows_are_taken),
        cmocka_unit_test(reserved_bytes_and_bytes_behind_a_part_must_be_zero),
        cmocka_unit_test(what_a_dummy_is_filled_with_is_not_looked_at),
        cmocka_unit_test(messages_of_every_awkward_length_pass_through_cells),
        cmocka_unit_test(a_link_does_not_keep_the_memory_of_a_large_message),
        cmocka_unit_test(parts_out_of_order_are_refused),
        cmocka_unit_test(a_message_over_the_limit_is_refused_before_it_is_held),
    };
    return cmocka_run_group_tests_name("cells", tests, codec_setup, NULL);
}
