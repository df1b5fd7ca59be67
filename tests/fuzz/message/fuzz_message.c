// Any message of a link, given to every parser of such messages.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "fuzz.h"
#include "wire/address_record.h"
#include "wire/directory.h"
#include "wire/message.h"

static void check_hello(struct span message) {
    struct hello hello;
    uint8_t again[HELLO_BYTES];
    if (hello_decode(&hello, message) == OK)
        ASSERT(span_equal(message, span_of(again, hello_encode(again, &hello))));
}

static void check_handles(struct span message) {
    struct handle handles[HANDLES_PER_LINK_MAX];
    size_t count;
    uint8_t again[HANDLES_BYTES_MAX];
    if (handles_decode(handles, &count, message) == OK)
        ASSERT(span_equal(message, span_of(again, handles_encode(again, handles, count))));
}

static void check_ping(struct span message) {
    uint64_t token;
    uint8_t again[9];
    if (ping_decode(&token, message) == OK)
        ASSERT(span_equal(message, span_of(again, ping_encode(again, (enum message_kind)message.p[0], token))));
}

static void check_get_directory(struct span message) {
    uint32_t epoch;
    uint8_t again[5];
    if (get_directory_decode(&epoch, message) == OK)
        ASSERT(span_equal(message, span_of(again, get_directory_encode(again, epoch))));
}

static void check_directory(struct span message) {
    uint32_t epoch;
    struct span directory;
    if (directory_message_decode(&epoch, &directory, message) != OK)
        return;
    struct buf again = {0};
    directory_message_encode(&again, epoch, directory);
    ASSERT(span_equal(message, buf_span(&again)));
    buf_free(&again);
}

static void check_addresses(struct span message) {
    struct address_record *records;
    size_t count;
    if (addresses_message_decode(&records, &count, message) != OK)
        return;
    struct buf again = {0};
    addresses_message_encode(&again, records, count);
    ASSERT(span_equal(message, buf_span(&again)));
    buf_free(&again);
    free(records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct span message = span_of(data, size);
    check_hello(message);
    check_handles(message);
    check_ping(message);
    check_get_directory(message);
    check_directory(message);
    check_addresses(message);
    return 0;
}
