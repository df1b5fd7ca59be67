// Messages that manage a link. Each is small and has one form; whoever receives another closes the link.
#include "wire/message.h"

#include "base/assert.h"
#include "base/cursor.h"

// A reader behind the kind byte; failed when the kind is another.
static struct reader body_of(struct span message, enum message_kind kind) {
    struct reader r = reader_of(message);
    if (read_u8(&r) != kind)
        reader_fail(&r);
    return r;
}

size_t hello_encode(uint8_t out[static HELLO_BYTES], const struct hello *hello) {
    struct writer w = writer_of(out, HELLO_BYTES);
    write_u8(&w, MESSAGE_HELLO);
    write_u16(&w, hello->version);
    write_bytes(&w, hello->network.bytes, sizeof hello->network.bytes);
    write_u32(&w, hello->epoch);
    write_u64(&w, hello->wall_ms);
    ASSERT(w.n == HELLO_BYTES);
    return w.n;
}

enum err hello_decode(struct hello *out, struct span message) {
    struct reader r = body_of(message, MESSAGE_HELLO);
    struct hello hello = {.version = read_u16(&r)};
    read_bytes(&r, hello.network.bytes, sizeof hello.network.bytes);
    hello.epoch = read_u32(&r);
    hello.wall_ms = read_u64(&r);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *out = hello;
    return OK;
}

size_t handles_encode(uint8_t out[static HANDLES_BYTES_MAX], const struct handle *handles, size_t count) {
    ASSERT(count >= 1 && count <= HANDLES_PER_LINK_MAX);
    struct writer w = writer_of(out, HANDLES_BYTES_MAX);
    write_u8(&w, MESSAGE_HANDLES);
    write_u8(&w, (uint8_t)count);
    for (size_t i = 0; i < count; i++)
        write_bytes(&w, handles[i].bytes, sizeof handles[i].bytes);
    return w.n;
}

enum err handles_decode(struct handle handles[static HANDLES_PER_LINK_MAX], size_t *count, struct span message) {
    struct reader r = body_of(message, MESSAGE_HANDLES);
    size_t n = read_u8(&r);
    if (n < 1 || n > HANDLES_PER_LINK_MAX || r.n != n * sizeof handles->bytes)
        return ERR_MALFORMED;
    for (size_t i = 0; i < n; i++)
        read_bytes(&r, handles[i].bytes, sizeof handles[i].bytes);
    ASSERT(reader_done(&r));
    *count = n;
    return OK;
}

size_t ping_encode(uint8_t out[static 9], enum message_kind kind, uint64_t token) {
    ASSERT(kind == MESSAGE_PING || kind == MESSAGE_PONG);
    struct writer w = writer_of(out, 9);
    write_u8(&w, (uint8_t)kind);
    write_u64(&w, token);
    return w.n;
}

enum err ping_decode(uint64_t *token, struct span message) {
    struct reader r = reader_of(message);
    uint8_t kind = read_u8(&r);
    uint64_t value = read_u64(&r);
    if (!reader_done(&r) || (kind != MESSAGE_PING && kind != MESSAGE_PONG))
        return ERR_MALFORMED;
    *token = value;
    return OK;
}

size_t get_directory_encode(uint8_t out[static 5], uint32_t epoch) {
    struct writer w = writer_of(out, 5);
    write_u8(&w, MESSAGE_GET_DIRECTORY);
    write_u32(&w, epoch);
    return w.n;
}

enum err get_directory_decode(uint32_t *epoch, struct span message) {
    struct reader r = body_of(message, MESSAGE_GET_DIRECTORY);
    uint32_t value = read_u32(&r);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *epoch = value;
    return OK;
}

void directory_message_encode(struct buf *out, uint32_t epoch, struct span directory) {
    struct writer w = writer_of(buf_extend(out, 5), 5);
    write_u8(&w, MESSAGE_DIRECTORY);
    write_u32(&w, epoch);
    buf_append(out, directory);
}

enum err directory_message_decode(uint32_t *epoch, struct span *directory, struct span message) {
    struct reader r = body_of(message, MESSAGE_DIRECTORY);
    uint32_t value = read_u32(&r);
    struct span rest = read_rest(&r);
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *epoch = value;
    *directory = rest;
    return OK;
}
