#define _GNU_SOURCE
#include "loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/assert.h"
#include "bench.h"
#include "host/key_file.h"
#include "ledger/block.h"
#include "ledger/message.h"
#include "net/net.h"
#include "wire/frame.h"

#define ACCOUNTS 256 // each has at most 64 waiting in a mempool
#define ACCOUNT_GRAINS UINT64_C(1000000000)
#define PENDING_MAX 2000  // more would make larger blocks, not more of them
#define FUNDED_AT_ONCE 16 // of one sender
#define SENT_AT_ONCE 600  // well below what net/ lets wait on a link
#define TURN_MS 2
#define PATIENCE_NS (UINT64_C(30) * 1000000000)
#define TRANSFER_BYTES 188

struct owner {
    struct sign_secret secret;
    struct account_id id;
    uint64_t nonce;
};

struct signed_tx {
    uint32_t link; // over which it goes
    uint8_t bytes[TRANSFER_BYTES];
};

struct end {
    struct loader *loader;
    struct net *net;
    uint64_t link; // 0: none
    struct frame_reader reader;
    size_t waiting; // bytes since the last drain
};

struct loader {
    uv_loop_t loop;
    uv_timer_t timer;
    struct metrics *metrics;
    struct rng rng;
    struct genesis genesis;
    size_t end_count;
    struct end ends[TESTNET_VALIDATORS_MAX];
    struct owner faucet;
    struct owner owners[ACCOUNTS];
    size_t next_owner;
    struct buf txs; // struct signed_tx, one after the other
    size_t tx_count, sent;
    uint64_t committed, height;
    bool asked; // for headers
    bool lost;
};

// ---- what comes back ----

static void send_frame(struct end *end, enum frame_lane lane, uint8_t kind, struct span body) {
    size_t sent = 0;
    do {
        struct buf part = {0};
        sent += frame_part_encode(&part, lane, kind, body, sent);
        end->waiting += part.n;
        net_send(end->net, end->link, buf_span(&part));
        buf_free(&part);
    } while (sent < body.n);
}

static void ask_headers(struct loader *loader) {
    uint8_t body[GET_SPAN_BYTES];
    loader->asked = true;
    send_frame(&loader->ends[0], FRAME_URGENT, FRAME_GET_HEADERS,
               span_of(body, get_span_encode(body, loader->height + 1, HEADERS_COUNT_MAX)));
}

static void on_status(struct loader *loader, struct span body) {
    struct peer_status status;
    ASSERT(peer_status_decode(&status, body) == OK);
    if (status.height > loader->height && !loader->asked)
        ask_headers(loader);
}

static void on_headers(struct loader *loader, struct span body) {
    uint64_t from;
    struct span found;
    ASSERT(found_decode(&from, &found, body) == OK && from == loader->height + 1);
    struct reader r = reader_of(found);
    while (r.n > 0) {
        struct block_header header;
        struct span bytes = part_read(&r, BLOCK_HEADER_BYTES);
        part_read(&r, CERTIFICATE_BYTES_MAX);
        ASSERT(reader_ok(&r) && block_header_decode(&header, bytes) == OK);
        loader->committed += header.tx_count;
        loader->height = header.height;
    }
    loader->asked = false;
    if (found.n > 0)
        ask_headers(loader); // until there is none: a status may have come meanwhile
}

static void on_frame(struct end *end, const struct frame *frame) {
    struct loader *loader = end->loader;
    if (frame->kind == FRAME_PING)
        send_frame(end, FRAME_URGENT, FRAME_PONG, buf_span(&frame->body));
    else if (end == loader->ends && frame->kind == FRAME_STATUS)
        on_status(loader, buf_span(&frame->body));
    else if (end == loader->ends && frame->kind == FRAME_HEADERS)
        on_headers(loader, buf_span(&frame->body));
}

// ---- links ----

static void on_open(void *ctx, uint64_t link, uint64_t dial, enum link_kind kind, const struct sign_public *key,
                    uint64_t address_tag) {
    struct end *end = ctx;
    (void)dial;
    (void)kind;
    (void)key;
    (void)address_tag;
    const struct ledger_hello hello = {
        .version = LEDGER_LINK_VERSION, .network = end->loader->genesis.network, .role = LEDGER_LIGHT};
    uint8_t bytes[LEDGER_HELLO_BYTES];
    end->link = link;
    send_frame(end, FRAME_URGENT, FRAME_HELLO, span_of(bytes, ledger_hello_encode(bytes, &hello)));
}

static void on_bytes(void *ctx, uint64_t link, struct span bytes) {
    struct end *end = ctx;
    (void)link;
    while (bytes.n > 0) {
        struct frame frame = {0};
        bool complete = false;
        ASSERT(frame_take(&end->reader, &frame, &complete, &bytes) == OK);
        if (complete)
            on_frame(end, &frame);
        buf_free(&frame.body);
    }
}

static void on_drained(void *ctx, uint64_t link) {
    struct end *end = ctx;
    (void)link;
    end->waiting = 0;
}

static void on_closed(void *ctx, uint64_t link, enum close_reason reason) {
    struct end *end = ctx;
    (void)link;
    fprintf(stderr, "sotto-bench: a validator closed the link: %s\n", close_reason_text(reason));
    end->link = 0;
    end->loader->lost = true;
}

static void on_dial_failed(void *ctx, uint64_t dial, enum close_reason reason) {
    struct end *end = ctx;
    (void)dial;
    fprintf(stderr, "sotto-bench: no link to a validator: %s\n", close_reason_text(reason));
    end->loader->lost = true;
}

static enum err open_end(struct loader *loader, const struct testnet_node *node, struct buf *why) {
    static const uint8_t tag_key[32];
    struct end *end = &loader->ends[loader->end_count];
    struct net_config config = {.tag_key = tag_key, .metrics = loader->metrics};
    const struct net_events events = {end, on_open, on_bytes, on_drained, on_closed, on_dial_failed};
    const struct genesis_seed *seed = loader->genesis.seeds;
    net_limits_defaults(&config.limits);
    end->loader = loader;
    end->reader.bytes_max = FRAME_BODY_BYTES_MAX;
    enum err err = net_new(&end->net, &loader->loop, &config, &events, why);
    if (err != OK)
        return err;
    loader->end_count++;
    while (seed->address.port != node->link_port)
        seed++; // every validator of a local network's genesis is one
    struct sign_public key;
    memcpy(key.bytes, seed->id.bytes, sizeof key.bytes);
    net_dial(end->net, 1, LINK_LEDGER, &seed->address, &key, false);
    return OK;
}

// ---- the loop ----

static void on_timer(uv_timer_t *timer) {
    (void)timer;
}

static bool run_until(struct loader *loader, bool (*done)(struct loader *loader)) {
    uint64_t began_ns = clock_wall_ns();
    while (!done(loader)) {
        if (loader->lost || clock_wall_ns() - began_ns > PATIENCE_NS)
            return false;
        uv_run(&loader->loop, UV_RUN_ONCE);
    }
    return true;
}

static bool all_open(struct loader *loader) {
    size_t open = 0;
    for (size_t i = 0; i < loader->end_count; i++)
        open += loader->ends[i].link != 0;
    return open == loader->end_count;
}

static bool all_committed(struct loader *loader) {
    return loader->committed >= loader->sent;
}

// Hands over what may be sent now, in frames.
static void pump(struct loader *loader, size_t until) {
    struct buf bodies[TESTNET_VALIDATORS_MAX] = {{0}};
    for (; loader->sent < until; loader->sent++) {
        const struct signed_tx *tx = (const struct signed_tx *)loader->txs.p + loader->sent;
        part_append(&bodies[tx->link], SPAN_OF(tx->bytes));
        if (bodies[tx->link].n + 4 + TRANSFER_BYTES > TXS_BYTES_MAX) {
            send_frame(&loader->ends[tx->link], FRAME_BULK, FRAME_TXS, buf_span(&bodies[tx->link]));
            buf_clear(&bodies[tx->link]);
        }
    }
    for (size_t i = 0; i < loader->end_count; i++) {
        if (bodies[i].n > 0)
            send_frame(&loader->ends[i], FRAME_BULK, FRAME_TXS, buf_span(&bodies[i]));
        buf_free(&bodies[i]);
    }
}

static bool has_room(const struct loader *loader) {
    for (size_t i = 0; i < loader->end_count; i++) {
        if (loader->ends[i].waiting > 0)
            return false;
    }
    return true;
}

bool loader_run(struct loader *loader, uint32_t for_ms, uint32_t per_s) {
    uint64_t began_ns = clock_wall_ns();
    size_t first = loader->sent;
    for (;;) {
        uint64_t ns = clock_wall_ns() - began_ns;
        if (loader->lost || ns > for_ms * UINT64_C(1000000))
            return !loader->lost;
        size_t until = (size_t)loader->committed + PENDING_MAX;
        size_t due = per_s == 0 ? until : first + (size_t)(ns * per_s / 1000000000);
        until = due < until ? due : until;
        until = until < loader->tx_count ? until : loader->tx_count;
        until = until < loader->sent + SENT_AT_ONCE ? until : loader->sent + SENT_AT_ONCE;
        if (until > loader->sent && has_room(loader))
            pump(loader, until);
        uv_run(&loader->loop, UV_RUN_ONCE);
    }
}

void loader_send_one(struct loader *loader) {
    loader->committed = loader->sent; // blocks hold relays' transactions, too: those of before do not count
    pump(loader, loader->sent + 1);
}

void loader_drop_unsent(struct loader *loader) {
    for (; loader->tx_count > loader->sent; loader->tx_count--)
        loader->owners[--loader->next_owner % ACCOUNTS].nonce--;
    loader->txs.n = loader->tx_count * sizeof(struct signed_tx);
}

bool loader_settle(struct loader *loader) {
    return run_until(loader, all_committed);
}

uint64_t loader_committed(const struct loader *loader) {
    return loader->committed;
}

uint64_t loader_height(const struct loader *loader) {
    return loader->height;
}

// ---- transfers ----

static void sign_one(struct loader *loader, struct owner *from, const struct account_id *to, uint64_t amount,
                     uint32_t link) {
    struct tx tx = {.network = loader->genesis.network,
                    .kind = TX_TRANSFER,
                    .sender = from->id,
                    .nonce = from->nonce++,
                    .fee = loader->genesis.ledger.fee_min,
                    .transfer = {.to = *to, .amount = amount}};
    uint8_t bytes[TX_BYTES_MAX];
    tx_sign(&tx, &from->secret);
    ASSERT(tx_encode(bytes, &tx) == TRANSFER_BYTES);
    struct signed_tx signed_tx = {.link = link};
    memcpy(signed_tx.bytes, bytes, TRANSFER_BYTES);
    buf_append(&loader->txs, span_of(&signed_tx, sizeof signed_tx));
    loader->tx_count++;
}

void loader_sign(struct loader *loader, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t from = loader->next_owner++ % ACCOUNTS;
        size_t to = (from + 1 + (size_t)rng_below(&loader->rng, ACCOUNTS - 1)) % ACCOUNTS;
        sign_one(loader, &loader->owners[from], &loader->owners[to].id, 1, (uint32_t)(from % loader->end_count));
    }
}

static void owner_init(struct owner *owner, const uint8_t seed[static 32]) {
    struct sign_public public;
    sign_key_from_seed(&owner->secret, &public, seed);
    memcpy(owner->id.bytes, public.bytes, sizeof owner->id.bytes);
}

static bool fund(struct loader *loader) {
    for (size_t i = 0; i < ACCOUNTS; i++) {
        uint8_t seed[32];
        rng_bytes(&loader->rng, seed, sizeof seed);
        owner_init(&loader->owners[i], seed);
        sign_one(loader, &loader->faucet, &loader->owners[i].id, ACCOUNT_GRAINS, 0);
    }
    for (size_t i = 0; i < ACCOUNTS; i += FUNDED_AT_ONCE) {
        pump(loader, i + FUNDED_AT_ONCE);
        if (!loader_settle(loader))
            return false;
    }
    return true;
}

// ---- life ----

static enum err read_files(struct loader *loader, const struct testnet *net, struct buf *why) {
    char path[PATH_MAX];
    struct buf text = {0};
    uint8_t seed[KEY_SEED_BYTES];
    testnet_path(path, net, NULL, "genesis.sotto");
    enum err err = file_read(&text, path, GENESIS_BYTES_MAX, why);
    if (err == OK)
        err = genesis_parse(&loader->genesis, buf_span(&text), NULL);
    buf_free(&text);
    testnet_path(path, net, NULL, "faucet.key");
    if (err == OK)
        err = key_file_read(seed, path, why);
    if (err == OK)
        owner_init(&loader->faucet, seed);
    return err;
}

struct loader *loader_new(const struct testnet *net) {
    struct loader *loader = NEW(struct loader);
    struct buf why = {0};
    uint8_t seed[RNG_SEED_BYTES];
    random_seed(seed, sizeof seed);
    rng_init(&loader->rng, seed);
    uv_loop_init(&loader->loop);
    uv_timer_init(&loader->loop, &loader->timer);
    uv_timer_start(&loader->timer, on_timer, TURN_MS, TURN_MS);
    loader->metrics = metrics_new();
    enum err err = read_files(loader, net, &why);
    size_t linked = testnet_count(net, TESTNET_VALIDATOR) - 1;
    for (size_t i = 0; err == OK && i < net->node_count; i++) {
        if (net->nodes[i].role == TESTNET_VALIDATOR && loader->end_count < linked)
            err = open_end(loader, &net->nodes[i], &why);
    }
    if (err != OK)
        fprintf(stderr, "sotto-bench: %.*s\n", (int)why.n, (const char *)why.p);
    buf_free(&why);
    if (err == OK && run_until(loader, all_open) && fund(loader))
        return loader;
    loader_free(loader);
    return NULL;
}

void loader_free(struct loader *loader) {
    for (size_t i = 0; i < loader->end_count; i++)
        net_stop(loader->ends[i].net);
    uv_close((uv_handle_t *)&loader->timer, NULL);
    uv_run(&loader->loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < loader->end_count; i++) {
        net_free(loader->ends[i].net);
        frame_reader_free(&loader->ends[i].reader);
    }
    ASSERT(uv_loop_close(&loader->loop) == 0);
    metrics_free(loader->metrics);
    buf_free(&loader->txs);
    free(loader);
}
