// The bytes of a ledger link. The first byte of the input says in which pieces the rest arrives; frames that come out
// whole are encoded and read again.
#include "base/assert.h"
#include "fuzz.h"
#include "wire/frame.h"

#define BYTES_MAX 40000

static void check_again(const struct frame *frame) {
    struct buf bytes = {0};
    struct span body = buf_span(&frame->body);
    size_t sent = 0;
    do {
        sent += frame_part_encode(&bytes, FRAME_BULK, frame->kind, body, sent);
    } while (sent < body.n);
    struct frame_reader reader = {.bytes_max = BYTES_MAX};
    struct frame again;
    bool complete = false;
    struct span rest = buf_span(&bytes);
    ASSERT(frame_take(&reader, &again, &complete, &rest) == OK && complete && rest.n == 0);
    ASSERT(again.kind == frame->kind && span_equal(buf_span(&again.body), body));
    buf_free(&again.body);
    frame_reader_free(&reader);
    buf_free(&bytes);
}

static void check_hello(struct span body) {
    struct ledger_hello hello;
    uint8_t again[LEDGER_HELLO_BYTES];
    if (ledger_hello_decode(&hello, body) == OK)
        ASSERT(span_equal(body, span_of(again, ledger_hello_encode(again, &hello))));
}

static enum err take_piece(struct frame_reader *reader, struct span piece) {
    while (piece.n > 0) {
        struct frame frame;
        bool complete = false;
        enum err err = frame_take(reader, &frame, &complete, &piece);
        ASSERT(err == OK || err == ERR_MALFORMED || err == ERR_TOO_LONG);
        if (err != OK)
            return err;
        ASSERT(complete || piece.n == 0);
        for (size_t i = 0; i < FRAME_LANES; i++)
            ASSERT(reader->lanes[i].body.n <= BYTES_MAX);
        if (complete) {
            check_again(&frame);
            check_hello(buf_span(&frame.body));
            buf_free(&frame.body);
        }
    }
    return OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader r = reader_of(span_of(data, size));
    size_t piece_n = (size_t)read_u8(&r) + 1;
    struct frame_reader reader = {.bytes_max = BYTES_MAX};
    enum err err = OK;
    while (err == OK && r.n > 0)
        err = take_piece(&reader, read_span(&r, piece_n < r.n ? piece_n : r.n));
    frame_reader_free(&reader);
    return 0;
}
