// Descriptors and directories as bytes: signed, bounded, one form.
#include "wire/directory.h"

#include <stdio.h>

#include "wire/codec.h"
#include "wire/message.h"

struct net {
    struct genesis genesis;
    struct sign_secret authority;
};

static void net_draw(struct net *net, struct rng *rng) {
    *net = (struct net){.genesis = {.epoch_ms = 60000}};
    sign_key_new(&net->authority, &net->genesis.authority, rng);
    rng_bytes(rng, net->genesis.network.bytes, sizeof net->genesis.network.bytes);
}

static void address_draw(struct address *address, struct rng *rng) {
    snprintf(address->host, sizeof address->host, "r%08x.example", rng_u32(rng));
    address->port = (uint16_t)(1 + rng_below(rng, 65535));
}

static void descriptor_draw(struct descriptor *d, struct sign_secret *secret, struct rng *rng) {
    struct sign_public public;
    *d = (struct descriptor){.published_ms = rng_u64(rng), .retiring = rng_below(rng, 2) == 0};
    sign_key_new(secret, &public, rng);
    memcpy(d->id.bytes, public.bytes, sizeof d->id.bytes);
    address_draw(&d->address, rng);
    d->onion.first_epoch = rng_u32(rng);
    rng_bytes(rng, d->onion.keys, sizeof d->onion.keys);
}

static void a_descriptor_comes_back_as_it_was(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct net net;
        struct descriptor d;
        struct descriptor back;
        struct sign_secret secret;
        uint8_t bytes[DESCRIPTOR_BYTES_MAX];
        net_draw(&net, &rng);
        descriptor_draw(&d, &secret, &rng);
        size_t n = descriptor_encode(bytes, &d, &net.genesis.network, &secret);
        assert_int_equal(descriptor_decode(&back, span_of(bytes, n), &net.genesis.network), OK);
        assert_true(relay_id_equal(&d.id, &back.id));
        assert_true(address_equal(&d.address, &back.address));
        assert_int_equal(d.published_ms, back.published_ms);
        assert_int_equal(d.retiring, back.retiring);
        assert_int_equal(d.onion.first_epoch, back.onion.first_epoch);
        assert_memory_equal(d.onion.keys, back.onion.keys, sizeof d.onion.keys);
        assert_memory_equal(d.signature.bytes, back.signature.bytes, sizeof d.signature.bytes);
    }
}

static bool takes_descriptor(void *ctx, struct span bytes) {
    struct descriptor d;
    return descriptor_decode(&d, bytes, ctx) == OK;
}

static void only_a_whole_descriptor_for_this_network_is_taken(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(1);
    struct net net;
    struct descriptor d;
    struct sign_secret secret;
    uint8_t bytes[DESCRIPTOR_BYTES_MAX];
    net_draw(&net, &rng);
    descriptor_draw(&d, &secret, &rng);
    size_t n = descriptor_encode(bytes, &d, &net.genesis.network, &secret);
    takes_exactly(&(struct parser){takes_descriptor, &net.genesis.network}, span_of(bytes, n));
    for (size_t i = 0; i < n; i++) {
        uint8_t flip = (uint8_t)(1u << rng_below(&rng, 8));
        bytes[i] ^= flip;
        assert_int_not_equal(descriptor_decode(&d, span_of(bytes, n), &net.genesis.network), OK);
        bytes[i] ^= flip;
    }
    struct network_id other = net.genesis.network;
    other.bytes[0] ^= 1;
    assert_int_equal(descriptor_decode(&d, span_of(bytes, n), &other), ERR_AUTH);
}

static void a_descriptor_without_all_its_keys_is_refused(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(2);
    struct net net;
    struct descriptor d;
    struct sign_secret secret;
    uint8_t bytes[DESCRIPTOR_BYTES_MAX];
    net_draw(&net, &rng);
    descriptor_draw(&d, &secret, &rng);
    size_t n = descriptor_encode(bytes, &d, &net.genesis.network, &secret);
    memset(bytes + n - 64 - 32, 0, 32);
    assert_int_equal(descriptor_decode(&d, span_of(bytes, n), &net.genesis.network), ERR_MALFORMED);
}

// A directory with `count` relays in order of their ids.
static void directory_draw(struct directory *d, const struct net *net, size_t count, struct rng *rng) {
    *d = (struct directory){
        .network = net->genesis.network,
        .epoch = 10 + (uint32_t)rng_below(rng, 1000000),
        .issued_ms = rng_u64(rng),
        .stamp_bits = (uint8_t)rng_below(rng, 41),
        .relay_count = count,
        .relays = NEW_ARRAY(struct directory_relay, count),
    };
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
        struct net net;
        struct directory d;
        struct directory *back;
        net_draw(&net, &rng);
        directory_draw(&d, &net, (size_t)rng_below(&rng, 30), &rng);
        directory_sign(&d, &net.authority);
        assert_int_equal(directory_decode(&back, buf_span(&d.bytes), &net.genesis), OK);
        assert_memory_equal(back->network.bytes, d.network.bytes, 32);
        assert_int_equal(back->epoch, d.epoch);
        assert_int_equal(back->issued_ms, d.issued_ms);
        assert_int_equal(back->changed_epoch, d.changed_epoch);
        assert_int_equal(back->stamp_bits, d.stamp_bits);
        assert_int_equal(back->relay_count, d.relay_count);
        assert_true(span_equal(buf_span(&back->bytes), buf_span(&d.bytes)));
        for (size_t i = 0; i < d.relay_count; i++)
            relays_equal(&d.relays[i], &back->relays[i], d.epoch);
        directory_sign(back, &net.authority); // what was decoded signs to the same bytes
        assert_true(span_equal(buf_span(&back->bytes), buf_span(&d.bytes)));
        directory_unref(back);
        directory_drop(&d);
    }
}

static void the_largest_directory_fits_a_message(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(3);
    struct net net;
    struct directory d;
    struct directory *back;
    net_draw(&net, &rng);
    directory_draw(&d, &net, DIRECTORY_RELAYS_MAX, &rng);
    for (size_t i = 0; i < d.relay_count; i++) {
        memset(d.relays[i].address.host, 'a', HOST_BYTES_MAX);
        d.relays[i].onion.first_epoch = d.epoch;
    }
    directory_sign(&d, &net.authority);
    assert_true(d.bytes.n + 5 <= 1024 * 1024);
    assert_int_equal(directory_decode(&back, buf_span(&d.bytes), &net.genesis), OK);
    assert_int_equal(back->relay_count, DIRECTORY_RELAYS_MAX);
    directory_unref(back);
    directory_drop(&d);
}

static enum err decode(struct span bytes, const struct genesis *genesis) {
    struct directory *d;
    enum err err = directory_decode(&d, bytes, genesis);
    if (err == OK)
        directory_unref(d);
    return err;
}

static void a_directory_of_others_is_refused_with_the_reason(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(4);
    struct net net;
    struct net other;
    struct directory d;
    net_draw(&net, &rng);
    net_draw(&other, &rng);
    directory_draw(&d, &net, 5, &rng);
    directory_sign(&d, &net.authority);
    assert_int_equal(decode(buf_span(&d.bytes), &net.genesis), OK);
    assert_int_equal(decode(buf_span(&d.bytes), &other.genesis), ERR_NETWORK);
    directory_sign(&d, &other.authority);
    assert_int_equal(decode(buf_span(&d.bytes), &net.genesis), ERR_AUTH);
    directory_sign(&d, &net.authority);
    for (size_t i = 0; i < d.bytes.n; i++) {
        d.bytes.p[i] ^= 0x20;
        assert_int_not_equal(decode(buf_span(&d.bytes), &net.genesis), OK);
        d.bytes.p[i] ^= 0x20;
    }
    directory_drop(&d);
}

// Signs what stands before the signature anew, so that only the content can be wrong.
static enum err decode_signed(struct span content, const struct net *net) {
    struct signature signature;
    struct buf bytes = {0};
    sign_parts(&signature, &net->authority, "sotto directory 1", &content, 1);
    buf_append(&bytes, content);
    buf_append(&bytes, SPAN_OF(signature.bytes));
    enum err err = decode(buf_span(&bytes), &net->genesis);
    buf_free(&bytes);
    return err;
}

static bool takes_content(void *ctx, struct span bytes) {
    return decode_signed(bytes, ctx) == OK;
}

static void even_its_signer_cannot_make_a_malformed_directory_pass(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(5);
    struct net net;
    struct directory d;
    net_draw(&net, &rng);
    directory_draw(&d, &net, 3, &rng);
    for (size_t i = 0; i < 3; i++)
        d.relays[i].onion.first_epoch = d.epoch;
    directory_sign(&d, &net.authority);
    struct span content = {d.bytes.p, d.bytes.n - 64};
    takes_exactly(&(struct parser){takes_content, &net}, content);

    uint8_t *const p = d.bytes.p;
    const size_t head = 52;
    const size_t relay_bytes = (content.n - head) / 3; // all hosts have one length
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
        if (decode_signed(content, &net) != ERR_MALFORMED)
            fail_msg("byte %zu set to %u was taken", bad[i].at, bad[i].value);
        p[bad[i].at] = good;
    }
    memset(p + head + placed + 6, 0, 32); // a listed key of zeros
    assert_int_equal(decode_signed(content, &net), ERR_MALFORMED);
    p[head + placed + 6] = 1;
    assert_int_equal(decode_signed(content, &net), OK);
    memcpy(p + head + relay_bytes, p + head, 32); // one relay twice
    assert_int_equal(decode_signed(content, &net), ERR_MALFORMED);
    memset(p + 33, 0, 4); // epoch 0
    assert_int_equal(decode_signed(content, &net), ERR_MALFORMED);
    directory_drop(&d);
}

static void a_directory_lives_as_long_as_somebody_holds_it(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(6);
    struct net net;
    struct directory d;
    struct directory *back;
    net_draw(&net, &rng);
    directory_draw(&d, &net, 2, &rng);
    directory_sign(&d, &net.authority);
    assert_int_equal(directory_decode(&back, buf_span(&d.bytes), &net.genesis), OK);
    assert_ptr_equal(directory_ref(back), back);
    directory_unref(back);
    assert_int_equal(back->relay_count, 2);
    directory_unref(back);
    directory_unref(NULL);
    directory_drop(&d);
}

static void refusals_have_texts(void **state) {
    (void)state;
    for (unsigned i = DESCRIPTOR_TAKEN; i <= DESCRIPTOR_WRONG_ROLE; i++)
        assert_true(strlen(descriptor_refusal_text((enum descriptor_refusal)i)) > 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_descriptor_comes_back_as_it_was),
        cmocka_unit_test(only_a_whole_descriptor_for_this_network_is_taken),
        cmocka_unit_test(a_descriptor_without_all_its_keys_is_refused),
        cmocka_unit_test(a_directory_comes_back_as_it_was_with_the_keys_it_is_used_with),
        cmocka_unit_test(the_largest_directory_fits_a_message),
        cmocka_unit_test(a_directory_of_others_is_refused_with_the_reason),
        cmocka_unit_test(even_its_signer_cannot_make_a_malformed_directory_pass),
        cmocka_unit_test(a_directory_lives_as_long_as_somebody_holds_it),
        cmocka_unit_test(refusals_have_texts),
    };
    return cmocka_run_group_tests_name("directory codec", tests, codec_setup, NULL);
}
