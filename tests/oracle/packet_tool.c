// Makes and peels packets for the Python oracle, which checks them against the specification. One JSON object a line.
//   packet_tool make SEED    five packets and five replies, of 1 to 5 hops, from a seed of 64 hexadecimal digits
//   packet_tool peel         reads lines "SECRET EPOCH PACKET", prints what a relay makes of each, or "refused"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "crypto/sphinx_format.h"

static void print_hex(const char *key, const void *p, size_t n, const char *after) {
    char text[2 * SPHINX_PACKET_BYTES + 1];
    hex_encode(text, span_of(p, n));
    printf("\"%s\": \"%s\"%s", key, text, after);
}

struct relays {
    struct sphinx_relay_key keys[SPHINX_HOPS_MAX];
    struct sphinx_hop hops[SPHINX_HOPS_MAX];
};

static void relays_draw(struct relays *relays, struct rng *rng) {
    for (size_t i = 0; i < SPHINX_HOPS_MAX; i++) {
        dh_key_new(&relays->keys[i].secret, &relays->keys[i].public, rng);
        relays->hops[i].onion = relays->keys[i].public;
        relays->hops[i].key_epoch = 77;
        relays->hops[i].delay_ms = (uint32_t)rng_below(rng, 10000);
        rng_bytes(rng, relays->hops[i].id, 32);
    }
}

static void print_hops(const struct relays *relays, size_t count) {
    printf("{\"hops\": [");
    for (size_t i = 0; i < count; i++) {
        printf("%s{", i == 0 ? "" : ", ");
        print_hex("id", relays->hops[i].id, 32, ", ");
        print_hex("secret", relays->keys[i].secret.bytes, 32, ", ");
        print_hex("onion", relays->keys[i].public.bytes, 32, ", ");
        printf("\"epoch\": 77, \"delay_ms\": %" PRIu32 "}", relays->hops[i].delay_ms);
    }
    printf("], ");
}

static void print_random(const struct sphinx_header_random *random) {
    print_hex("x", random->ephemeral, sizeof random->ephemeral, ", ");
    print_hex("end_gamma", random->end_gamma, sizeof random->end_gamma, ", ");
    print_hex("padding", random->padding, sizeof random->padding, ", ");
}

static void make_packet(const struct relays *relays, size_t count, struct span body, struct rng *rng) {
    struct sphinx_header_random random;
    uint8_t packet[SPHINX_PACKET_BYTES];
    const struct sphinx_end end = {.type = SPHINX_DELIVER};
    rng_bytes(rng, &random, sizeof random);
    if (sphinx_make_with(packet, relays->hops, count, &end, body, &random) != OK)
        return;
    print_hops(relays, count);
    print_random(&random);
    print_hex("body", body.p, body.n, ", ");
    print_hex("packet", packet, sizeof packet, "}\n");
}

static void make_reply(const struct relays *relays, size_t count, struct span body, struct rng *rng) {
    struct sphinx_surb_random random;
    struct sphinx_surb_keys keys;
    uint8_t packet[SPHINX_PACKET_BYTES], surb[SPHINX_SURB_BYTES], first_hop[32], handle[16];
    rng_bytes(rng, handle, sizeof handle);
    rng_bytes(rng, &random, sizeof random);
    if (sphinx_surb_make_with(surb, &keys, relays->hops, count, handle, &random) != OK)
        return;
    if (sphinx_surb_use(packet, first_hop, surb, body) != OK)
        return;
    print_hops(relays, count);
    print_random(&random.header);
    print_hex("handle", handle, sizeof handle, ", ");
    print_hex("id", random.id, sizeof random.id, ", ");
    print_hex("seed", random.seed, sizeof random.seed, ", ");
    print_hex("body", body.p, body.n, ", ");
    print_hex("surb", surb, sizeof surb, ", ");
    print_hex("seeds", keys.seeds, count * 32, ", ");
    print_hex("packet", packet, sizeof packet, "}\n");
}

static int make(const char *seed_text) {
    uint8_t seed[RNG_SEED_BYTES], body[SPHINX_BODY_BYTES];
    if (strlen(seed_text) != 2 * sizeof seed || hex_decode(seed, sizeof seed, seed_text) != OK)
        return 2;
    struct rng rng;
    struct relays relays;
    rng_init(&rng, seed);
    relays_draw(&relays, &rng);
    rng_bytes(&rng, body, sizeof body);
    for (size_t count = 1; count <= SPHINX_HOPS_MAX; count++) {
        make_packet(&relays, count, span_of(body, rng_below(&rng, sizeof body + 1)), &rng);
        make_reply(&relays, count, span_of(body, rng_below(&rng, sizeof body + 1)), &rng);
    }
    return 0;
}

static bool peel_line(const char *secret_text, unsigned epoch, const char *packet_text) {
    struct sphinx_relay_key key = {.epoch = epoch};
    struct sphinx_peeled peeled;
    uint8_t secret[32], packet[SPHINX_PACKET_BYTES];
    if (strlen(secret_text) != 64 || strlen(packet_text) != 2 * sizeof packet ||
        hex_decode(secret, sizeof secret, secret_text) != OK || hex_decode(packet, sizeof packet, packet_text) != OK)
        return false;
    dh_key_from_seed(&key.secret, &key.public, secret);
    if (sphinx_peel(&peeled, &key, 1, packet, true) != OK) {
        printf("\"refused\"\n");
        return true;
    }
    printf("{\"type\": %d, \"delay_ms\": %" PRIu32 ", \"trace\": %" PRIu64 ", ", (int)peeled.type, peeled.delay_ms,
           peeled.trace);
    print_hex("next_id", peeled.next_id, sizeof peeled.next_id, ", ");
    print_hex("replay_tag", peeled.replay_tag, sizeof peeled.replay_tag, ", ");
    print_hex("packet", peeled.packet, sizeof peeled.packet, "}\n");
    return true;
}

static int peel(void) {
    char secret[65], packet[2 * SPHINX_PACKET_BYTES + 1];
    unsigned epoch;
    _Static_assert(SPHINX_PACKET_BYTES == 2418, "the width below is twice that");
    while (scanf("%64s %u %4836s", secret, &epoch, packet) == 3) {
        if (!peel_line(secret, epoch, packet))
            return 2;
    }
    return 0;
}

int main(int argc, char **argv) {
    crypto_init();
    if (argc == 3 && strcmp(argv[1], "make") == 0)
        return make(argv[2]);
    if (argc == 2 && strcmp(argv[1], "peel") == 0)
        return peel();
    fprintf(stderr, "usage: packet_tool make SEED | packet_tool peel\n");
    return 2;
}
