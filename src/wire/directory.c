// Directories and onion keys as bytes.
#include "wire/directory.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define FORMAT_VERSION 1
#define HEAD_BYTES (1 + 32 + 4 + 8 + 4 + 1 + 2)
#define RELAY_BYTES_MAX (32 + 32 + ADDRESS_BYTES_MAX + 1 + 4 + 1 + DIRECTORY_VALID_EPOCHS * 32)
#define DIRECTORY_BYTES_MAX (HEAD_BYTES + DIRECTORY_RELAYS_MAX * RELAY_BYTES_MAX)

_Static_assert(DIRECTORY_RELAYS_MAX <= UINT16_MAX, "the count has two bytes");

static bool key_present(const struct dh_public *key) {
    static const struct dh_public none = {{0}};
    return memcmp(key->bytes, none.bytes, sizeof none.bytes) != 0;
}

static void read_key(struct reader *r, struct dh_public *key) {
    read_bytes(r, key->bytes, sizeof key->bytes);
    if (!key_present(key))
        reader_fail(r);
}

void onion_keys_write(struct writer *w, const struct onion_keys *onion) {
    write_u32(w, onion->first_epoch);
    for (size_t i = 0; i < ONION_KEYS_AHEAD; i++) {
        ASSERT(key_present(&onion->keys[i]));
        write_bytes(w, onion->keys[i].bytes, sizeof onion->keys[i].bytes);
    }
}

void onion_keys_read(struct reader *r, struct onion_keys *onion) {
    onion->first_epoch = read_u32(r);
    for (size_t i = 0; i < ONION_KEYS_AHEAD; i++)
        read_key(r, &onion->keys[i]);
}

// The relay's keys that a directory of `epoch` lists: those from `epoch` on without a gap.
static size_t keys_listed(const struct onion_keys *onion, uint32_t epoch, const struct dh_public **first) {
    if (onion->first_epoch > epoch || epoch - onion->first_epoch >= ONION_KEYS_AHEAD)
        return 0;
    size_t skip = epoch - onion->first_epoch;
    *first = &onion->keys[skip];
    size_t n = 0;
    while (n < DIRECTORY_VALID_EPOCHS && skip + n < ONION_KEYS_AHEAD && key_present(*first + n))
        n++;
    return n;
}

static void write_relay(struct writer *w, const struct directory_relay *relay, uint32_t epoch) {
    ASSERT(relay->since_epoch <= epoch);
    const struct dh_public *keys = NULL;
    size_t count = keys_listed(&relay->onion, epoch, &keys);
    write_bytes(w, relay->id.bytes, sizeof relay->id.bytes);
    write_bytes(w, relay->placement.bytes, sizeof relay->placement.bytes);
    address_write(w, &relay->address);
    write_u8(w, relay->placed);
    write_u32(w, relay->since_epoch);
    write_u8(w, (uint8_t)count);
    for (size_t i = 0; i < count; i++)
        write_bytes(w, keys[i].bytes, sizeof keys[i].bytes);
}

void directory_encode(struct buf *out, const struct directory *directory) {
    ASSERT(directory->relay_count <= DIRECTORY_RELAYS_MAX && directory->changed_epoch <= directory->epoch);
    size_t before = out->n, capacity = HEAD_BYTES + directory->relay_count * RELAY_BYTES_MAX;
    struct writer w = writer_of(buf_extend(out, capacity), capacity);
    write_u8(&w, FORMAT_VERSION);
    write_bytes(&w, directory->network.bytes, sizeof directory->network.bytes);
    write_u32(&w, directory->epoch);
    write_u64(&w, directory->issued_ms);
    write_u32(&w, directory->changed_epoch);
    write_u8(&w, directory->stamp_bits);
    write_u16(&w, (uint16_t)directory->relay_count);
    for (size_t i = 0; i < directory->relay_count; i++) {
        ASSERT(i == 0 || relay_id_compare(&directory->relays[i - 1].id, &directory->relays[i].id) < 0);
        write_relay(&w, &directory->relays[i], directory->epoch);
    }
    out->n = before + w.n;
}

static void read_relay(struct reader *r, struct directory_relay *relay, uint32_t epoch) {
    read_bytes(r, relay->id.bytes, sizeof relay->id.bytes);
    read_bytes(r, relay->placement.bytes, sizeof relay->placement.bytes);
    address_read(r, &relay->address);
    relay->placed = read_bool(r);
    relay->since_epoch = read_u32(r);
    relay->onion.first_epoch = epoch;
    size_t count = read_u8(r);
    if (count > DIRECTORY_VALID_EPOCHS || relay->since_epoch > epoch)
        reader_fail(r);
    for (size_t i = 0; reader_ok(r) && i < count; i++)
        read_key(r, &relay->onion.keys[i]);
}

static void read_directory(struct reader *r, struct directory *d) {
    d->epoch = read_u32(r);
    d->issued_ms = read_u64(r);
    d->changed_epoch = read_u32(r);
    d->stamp_bits = read_u8(r);
    size_t count = read_u16(r);
    if (!reader_ok(r) || count > DIRECTORY_RELAYS_MAX || d->epoch == 0 || d->changed_epoch > d->epoch) {
        reader_fail(r);
        return;
    }
    d->relays = NEW_ARRAY(struct directory_relay, count);
    for (; reader_ok(r) && d->relay_count < count; d->relay_count++) {
        read_relay(r, &d->relays[d->relay_count], d->epoch);
        if (d->relay_count > 0 &&
            relay_id_compare(&d->relays[d->relay_count - 1].id, &d->relays[d->relay_count].id) >= 0)
            reader_fail(r);
    }
}

enum err directory_decode(struct directory **out, struct span bytes, const struct network_id *network) {
    if (bytes.n < HEAD_BYTES || bytes.n > DIRECTORY_BYTES_MAX || bytes.p[0] != FORMAT_VERSION)
        return ERR_MALFORMED;
    if (memcmp(bytes.p + 1, network->bytes, sizeof network->bytes) != 0)
        return ERR_NETWORK;
    struct directory *d = NEW(struct directory);
    d->references = 1;
    d->network = *network;
    struct reader r = reader_of((struct span){bytes.p + 33, bytes.n - 33});
    read_directory(&r, d);
    if (!reader_done(&r)) {
        directory_unref(d);
        return ERR_MALFORMED;
    }
    buf_append(&d->bytes, bytes);
    *out = d;
    return OK;
}

struct directory *directory_ref(struct directory *directory) {
    ASSERT(directory->references > 0);
    directory->references++;
    return directory;
}

void directory_unref(struct directory *directory) {
    if (directory == NULL)
        return;
    ASSERT(directory->references > 0);
    if (--directory->references > 0)
        return;
    free(directory->relays);
    buf_free(&directory->bytes);
    free(directory);
}
