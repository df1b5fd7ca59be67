// Directories as bytes: bounded, one form.
#include "wire/directory.h"

#include <stdio.h>

#include "wire/codec.h"

static void address_draw(struct address *address, struct rng *rng) {
    snprintf(address->host, sizeof address->host, "r%08x.example", rng_u32(rng));
    address->port = (uint16_t)(1 + rng_below(rng, 65535));
}

// A directory with `count` relays in order of their ids.
static void directory_draw(struct directory *d, size_t count, struct rng *rng) {
    *d = (struct directory){
        .epoch = 10 + (uint32_t)rng_below(rng, 1000000),
        .issued_ms = rng_u64(rng),
        .stamp_bits = (uint8_t)rng_below(rng, 41),
        .relay_count = count,
        .relays = NEW_ARRAY(struct directory_relay, count),
    };
    rng_bytes(rng, d->network.bytes, sizeof d->network.bytes);
    d->changed_epoch = (uint32_t)rng_below(rng, d->epoch + 1);
    for (size_t i = 0; i < count; i++) {
        struct directory_relay *relay = &d->relays[i];
        rng_bytes(rng, relay->id.bytes, sizeof relay->id.bytes);
        relay->id.bytes[0] = (uint8_t)(i >> 8);
        relay->id.bytes[1] = (uint8_t)i;
        rng_bytes(rng, relay->placement.bytes, sizeof relay->placement.bytes);
        address_draw(&relay->address, rng);
        relay->placed = rng_below(rng, 4) != 0;
        relay->since_epoch = (uint32_t)rng_below(rng, d->epoch + 1);
        relay->onion.first_epoch = d->epoch - (uint32_t)rng_below(rng, 6);
        rng_bytes(rng, relay->onion.keys, sizeof relay->onion.keys);
    }
}

static void directory_drop(struct directory *d) {
    free(d->relays);
    buf_free(&d->bytes);
}

// The key that a directory of `epoch` must list, by the drawn relay.
static const struct dh_public *key_of(const struct onion_keys *onion, uint32_t epoch) {
    return epoch - onion->first_epoch < ONION_KEYS_AHEAD ? &onion->keys[epoch - onion->first_epoch] : NULL;
}

static void relays_equal(const struct directory_relay *a, const struct directory_relay *b, uint32_t epoch) {
    static const struct dh_public none;
    assert_true(relay_id_equal(&a->id, &b->id));
    assert_memory_equal(a->placement.bytes, b->placement.bytes, 32);
    assert_true(address_equal(&a->address, &b->address));
    assert_int_equal(a->placed, b->placed);
    assert_int_equal(a->since_epoch, b->since_epoch);
    assert_int_equal(b->onion.first_epoch, epoch);
    for (uint32_t i = 0; i < ONION_KEYS_AHEAD; i++) {
        const struct dh_public *key = i < DIRECTORY_VALID_EPOCHS ? key_of(&a->onion, epoch + i) : NULL;
        assert_memory_equal(b->onion.keys[i].bytes, key != NULL ? key->bytes : none.bytes, 32);
    }
}

static void a_directory_comes_back_as_it_was_with_the_keys_it_is_used_with(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct directory d;
        struct directory *back;
        directory_draw(&d, (size_t)rng_below(&rng, 30), &rng);
        directory_encode(&d.bytes, &d);
        assert_int_equal(directory_decode(&back, buf_span(&d.bytes), &d.network), OK);
        assert_memory_equal(back->network.bytes, d.network.bytes, 32);
        assert_int_equal(back->epoch, d.epoch);
        assert_int_equal(back->issued_ms, d.issued_ms);
        assert_int_equal(back->changed_epoch, d.changed_epoch);
        assert_int_equal(back->stamp_bits, d.stamp_bits);
        assert_int_equal(back->relay_count, d.relay_count);
        assert_true(span_equal(buf_span(&back->bytes), buf_span(&d.bytes)));
        for (size_t i = 0; i < d.relay_count; i++)
            relays_equal(&d.relays[i], &back->relays[i], d.epoch);
        buf_clear(&back->bytes);
        directory_encode(&back->bytes, back);
        assert_true(span_equal(buf_span(&back->bytes), buf_span(&d.bytes)));
        directory_unref(back);
        directory_drop(&d);
    }
}

static void the_largest_directory_is_as_large_as_specified(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(3);
    struct directory d;
    struct directory *back;
    directory_draw(&d, DIRECTORY_RELAYS_MAX, &rng);
    for (size_t i = 0; i < d.relay_count; i++) {
        memset(d.relays[i].address.host, 'a', HOST_BYTES_MAX);
        d.relays[i].onion.first_epoch = d.epoch;
    }
    directory_encode(&d.bytes, &d);
    assert_int_equal(d.bytes.n, 950324);
    assert_int_equal(directory_decode(&back, buf_span(&d.bytes), &d.network), OK);
    assert_int_equal(back->relay_count, DIRECTORY_RELAYS_MAX);
    directory_unref(back);
    directory_drop(&d);
}

static enum err decode(struct span bytes, const struct network_id *network) {
    struct directory *d;
    enum err err = directory_decode(&d, bytes, network);
    if (err == OK)
        directory_unref(d);
    return err;
}

static bool takes_directory(void *ctx, struct span bytes) {
    return decode(bytes, ctx) == OK;
}

static void another_networks_directory_is_refused(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(4);
    struct directory d;
    directory_draw(&d, 5, &rng);
    directory_encode(&d.bytes, &d);
    assert_int_equal(decode(buf_span(&d.bytes), &d.network), OK);
    d.network.bytes[31] ^= 1;
    assert_int_equal(decode(buf_span(&d.bytes), &d.network), ERR_NETWORK);
    directory_drop(&d);
}

static void a_malformed_directory_is_refused(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(5);
    struct directory d;
    directory_draw(&d, 3, &rng);
    for (size_t i = 0; i < 3; i++)
        d.relays[i].onion.first_epoch = d.epoch;
    directory_encode(&d.bytes, &d);
    struct span bytes = buf_span(&d.bytes);
    takes_exactly(&(struct parser){takes_directory, &d.network}, bytes);

    uint8_t *const p = d.bytes.p;
    const size_t head = 52;
    const size_t relay_bytes = (bytes.n - head) / 3; // all hosts have one length
    const size_t host = 64;
    const size_t placed = host + 1 + p[head + host] + 2;
    const struct {
        size_t at;
        uint8_t value;
    } bad[] = {
        {0, 2},                    // version
        {45, 0xff},                // changed epoch beyond the epoch
        {51, 2},                   // fewer relays than there are
        {51, 4},                   // more
        {50, 0x10},                // 4,099
        {head, 0xff},              // ids out of order
        {head + host, 0},          // no host
        {head + host + 1, ' '},    // no host's name
        {head + placed, 2},        // a boolean that is none
        {head + placed + 1, 0xff}, // since an epoch to come
        {head + placed + 5, 4},    // too many keys
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t good = p[bad[i].at];
        p[bad[i].at] = bad[i].value;
        if (decode(bytes, &d.network) != ERR_MALFORMED)
            fail_msg("byte %zu set to %u was taken", bad[i].at, bad[i].value);
        p[bad[i].at] = good;
    }
    memset(p + head + placed + 6, 0, 32); // a listed key of zeros
    assert_int_equal(decode(bytes, &d.network), ERR_MALFORMED);
    p[head + placed + 6] = 1;
    assert_int_equal(decode(bytes, &d.network), OK);
    memcpy(p + head + relay_bytes, p + head, 32); // one relay twice
    assert_int_equal(decode(bytes, &d.network), ERR_MALFORMED);
    memset(p + 33, 0, 4); // epoch 0
    assert_int_equal(decode(bytes, &d.network), ERR_MALFORMED);
    directory_drop(&d);
}

static void onion_keys_come_back_as_they_were_and_none_is_missing(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(7);
    struct onion_keys keys = {.first_epoch = rng_u32(&rng)}, back;
    uint8_t bytes[ONION_KEYS_BYTES];
    rng_bytes(&rng, keys.keys, sizeof keys.keys);
    struct writer w = writer_of(bytes, sizeof bytes);
    onion_keys_write(&w, &keys);
    assert_int_equal(writer_span(&w).n, sizeof bytes);
    struct reader r = reader_of(SPAN_OF(bytes));
    onion_keys_read(&r, &back);
    assert_true(reader_done(&r));
    assert_int_equal(back.first_epoch, keys.first_epoch);
    assert_memory_equal(back.keys, keys.keys, sizeof keys.keys);
    memset(bytes + sizeof bytes - 32, 0, 32);
    r = reader_of(SPAN_OF(bytes));
    onion_keys_read(&r, &back);
    assert_false(reader_done(&r));
}

static void a_directory_lives_as_long_as_somebody_holds_it(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(6);
    struct directory d;
    struct directory *back;
    directory_draw(&d, 2, &rng);
    directory_encode(&d.bytes, &d);
    assert_int_equal(directory_decode(&back, buf_span(&d.bytes), &d.network), OK);
    assert_ptr_equal(directory_ref(back), back);
    directory_unref(back);
    assert_int_equal(back->relay_count, 2);
    directory_unref(back);
    directory_unref(NULL);
    directory_drop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_comes_back_as_it_was_with_the_keys_it_is_used_with),
        cmocka_unit_test(the_largest_directory_is_as_large_as_specified),
        cmocka_unit_test(another_networks_directory_is_refused),
        cmocka_unit_test(a_malformed_directory_is_refused),
        cmocka_unit_test(onion_keys_come_back_as_they_were_and_none_is_missing),
        cmocka_unit_test(a_directory_lives_as_long_as_somebody_holds_it),
    };
    return cmocka_run_group_tests_name("directory codec", tests, codec_setup, NULL);
}
