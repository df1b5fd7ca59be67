// One relay process and its links: packets through it, and items into it.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "bed.h"
#include "wire/replica.h"

// ---- forwarding ----

#define PACKETS_PER_SLICE 400
#define PACKETS_UNDER_WAY 128
#define PEELS_PER_SLICE 60

struct forwarding {
    struct bed *bed;
    struct sphinx_relay_key key; // for the baseline
    uint64_t base;               // packets that had arrived before this slice
    uint64_t sent;
    uint64_t under_way_max;
    uint8_t cells[PACKETS_PER_SLICE][CELL_BYTES];
};

static void make_cells(struct forwarding *f) {
    uint8_t packet[SPHINX_PACKET_BYTES];
    for (size_t i = 0; i < PACKETS_PER_SLICE; i++) {
        bed_make_packet(f->bed, packet);
        cell_encode(f->cells[i], CELL_PACKET, 0, SPAN_OF(packet));
    }
}

static bool forwarded_all(void *ctx) {
    struct forwarding *f = ctx;
    uint64_t arrived = f->bed->packets - f->base;
    while (f->sent < PACKETS_PER_SLICE && f->sent - arrived < f->under_way_max && bed_may_send(&f->bed->client_end))
        bed_send(&f->bed->client_end, f->cells[f->sent++]);
    return arrived == PACKETS_PER_SLICE;
}

// As sphinx_peel does it in the relay, on a packet for another key of the same make.
static double run_peels(struct forwarding *f) {
    struct sphinx_hop hop = {.onion = f->key.public, .key_epoch = (uint8_t)f->key.epoch};
    const struct sphinx_end end = {.type = SPHINX_DELIVER};
    uint8_t packet[SPHINX_PACKET_BYTES];
    struct sphinx_peeled peeled;
    ASSERT(sphinx_make(packet, &hop, 1, &end, (struct span){0}, &f->bed->rng) == OK);
    uint64_t began_ns = clock_thread_ns();
    for (size_t i = 0; i < PEELS_PER_SLICE; i++)
        ASSERT(sphinx_peel(&peeled, &f->key, 1, packet, false) == OK);
    return (double)(clock_thread_ns() - began_ns) / PEELS_PER_SLICE;
}

struct forwarded {
    struct series cpu_ns;
    struct series peel_ns;
    struct series rate;
};

static bool run_forwarding(struct forwarding *f, struct forwarded *out) {
    make_cells(f);
    double peel_ns = run_peels(f);
    f->base = f->bed->packets;
    f->sent = 0;
    uint64_t cpu_ns = bed_cpu_ns(f->bed), began_ns = clock_wall_ns();
    if (!bed_run(f->bed, forwarded_all, f))
        return false;
    series_add(&out->rate, PACKETS_PER_SLICE * 1e9 / (double)(clock_wall_ns() - began_ns));
    series_add(&out->cpu_ns, (double)(bed_cpu_ns(f->bed) - cpu_ns) / PACKETS_PER_SLICE);
    series_add(&out->peel_ns, (peel_ns + run_peels(f)) / 2);
    return true;
}

static const struct row forwarding_rows[] = {
    {.group = "relay", .name = "peel", .unit = UNIT_NS},
    {.group = "relay",
     .name = "packet forwarded: CPU of the process",
     .unit = UNIT_NS,
     .baseline = "peel",
     .ratio_limit = 1.8},
    {.group = "relay", .name = "packets forwarded", .unit = UNIT_PER_S},
    {.group = "relay", .name = "the same, one packet at a time", .unit = UNIT_NS, .baseline = "peel"},
};

static bool measure_forwarding(struct bench *bench, struct bed *bed, unsigned rounds) {
    struct forwarding *f = NEW(struct forwarding);
    struct forwarded *busy = NEW(struct forwarded), *idle = NEW(struct forwarded);
    f->bed = bed;
    f->key.epoch = bed->directory->epoch;
    dh_key_new(&f->key.secret, &f->key.public, &bed->rng);
    bool fine = true;
    for (unsigned round = 0; fine && round < rounds; round++) {
        bench_watch(bench);
        f->under_way_max = PACKETS_UNDER_WAY;
        fine = run_forwarding(f, busy);
        f->under_way_max = 1;
        fine = fine && run_forwarding(f, idle);
    }
    if (fine) {
        struct series ratios;
        bench_report(bench, &forwarding_rows[0], &busy->peel_ns, NULL);
        series_ratio(&ratios, &busy->cpu_ns, &busy->peel_ns, 1);
        bench_report(bench, &forwarding_rows[1], &busy->cpu_ns, &ratios);
        bench_report(bench, &forwarding_rows[2], &busy->rate, NULL);
        series_ratio(&ratios, &idle->cpu_ns, &idle->peel_ns, 1);
        bench_report(bench, &forwarding_rows[3], &idle->cpu_ns, &ratios);
    }
    free(f);
    free(busy);
    free(idle);
    return fine;
}

// ---- storing ----

#define ITEMS_PER_SLICE 2000
#define ITEMS_UNDER_WAY 1024
#define MAILBOX_ITEMS 10

struct storing {
    struct bed *bed;
    uint64_t sent;
    uint64_t receipts;
    struct replica_set set;
    uint8_t cells[ITEMS_PER_SLICE][CELL_BYTES];
};

static void make_items(struct storing *s) {
    struct bed *bed = s->bed;
    struct mailbox_id mailbox;
    uint8_t item[ITEM_BYTES];
    struct buf bytes = {0};
    for (size_t i = 0; i < ITEMS_PER_SLICE; i++) {
        if (i % MAILBOX_ITEMS == 0)
            rng_bytes(&bed->rng, mailbox.bytes, sizeof mailbox.bytes);
        rng_bytes(&bed->rng, item, sizeof item);
        const struct replica_message message = {.kind = REPLICA_REPLICATE,
                                                .id = i,
                                                .set = s->set,
                                                .mailbox = mailbox,
                                                .expiry_ms = bed->directory->issued_ms + DAY_MS,
                                                .item = item};
        replica_encode(&bytes, &message);
        ASSERT(message_cells(bytes.n) == 1);
        message_cell(s->cells[i], buf_span(&bytes), 0);
    }
    buf_free(&bytes);
}

static void on_replica_message(struct bed *bed, struct span bytes) {
    struct storing *s = bed->ctx;
    struct replica_message *message = NEW(struct replica_message);
    ASSERT(replica_decode(message, bytes) == OK);
    if (message->kind == REPLICA_RECEIPT) {
        ASSERT(message->status == OP_OK && message->receipt_count == 1);
        s->receipts++;
    }
    free(message);
}

static bool stored_all(void *ctx) {
    struct storing *s = ctx;
    struct bed_end *end = &s->bed->relay_end;
    while (s->sent < ITEMS_PER_SLICE && s->sent - s->receipts < ITEMS_UNDER_WAY && bed_may_send(end))
        bed_send(end, s->cells[s->sent++]);
    return s->receipts == ITEMS_PER_SLICE;
}

static const struct row storing_rows[] = {
    {.group = "relay",
     .name = "durable, signed stores over one link",
     .unit = UNIT_PER_S,
     .limit = 10000,
     .waits = true},
    {.group = "relay", .name = "a store: CPU of the process", .unit = UNIT_NS},
};

static bool measure_storing(struct bench *bench, struct bed *bed, unsigned rounds) {
    struct storing *s = NEW(struct storing);
    struct series rate = {0}, cpu_ns = {0};
    s->bed = bed;
    s->set = (struct replica_set){.epoch = bed->directory->epoch, .count = 2, .relays = {bed->own, bed->relay}};
    bed->message = on_replica_message;
    bed->ctx = s;
    bool fine = true;
    for (unsigned round = 0; fine && round < rounds; round++) {
        bench_watch(bench);
        make_items(s);
        s->sent = s->receipts = 0;
        uint64_t before_ns = bed_cpu_ns(bed), began_ns = clock_wall_ns();
        fine = bed_run(bed, stored_all, s);
        series_add(&rate, ITEMS_PER_SLICE * 1e9 / (double)(clock_wall_ns() - began_ns));
        series_add(&cpu_ns, (double)(bed_cpu_ns(bed) - before_ns) / ITEMS_PER_SLICE);
    }
    bed->message = NULL;
    if (fine) {
        bench_report(bench, &storing_rows[0], &rate, NULL);
        bench_report(bench, &storing_rows[1], &cpu_ns, NULL);
    }
    free(s);
    return fine;
}

static void skip(struct bench *bench, const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++)
        bench_skip(bench, &rows[i], "the relay does not run");
}

void bench_relay(struct bench *bench) {
    unsigned rounds = bench->rounds < 20 ? bench->rounds : 20;
    struct bed *bed = bed_new(bench);
    if (bed == NULL || !measure_forwarding(bench, bed, rounds))
        skip(bench, forwarding_rows, sizeof forwarding_rows / sizeof forwarding_rows[0]);
    if (bed == NULL || !measure_storing(bench, bed, rounds))
        skip(bench, storing_rows, sizeof storing_rows / sizeof storing_rows[0]);
    if (bed != NULL)
        bed_free(bed);
}
