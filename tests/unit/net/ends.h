// Ends of links for tests: nets on one loop that write down what happens to them.
#ifndef TESTS_NET_ENDS_H
#define TESTS_NET_ENDS_H

#define _GNU_SOURCE // uv.h, sockets
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/bytes.h"
#include "net/net.h"
#include "node/effect.h"
#include "wire/cell.h"

struct end {
    struct net *net;
    struct metrics *metrics;
    struct sign_public key;
    struct address address; // where it listens
    uint64_t link;          // the last to open
    uint64_t dial;          // its number
    enum link_kind kind;
    bool has_key;
    struct sign_public peer;
    uint64_t address_tag;
    unsigned opened;
    unsigned drained;
    unsigned closed;
    enum close_reason closed_reason;
    unsigned failed;
    enum close_reason failed_reason;
    struct buf got;
    bool echoes; // sends back whole cells
};

static uv_loop_t ends_loop;

static void end_open(void *ctx, uint64_t link, uint64_t dial, enum link_kind kind, const struct sign_public *key,
                     uint64_t address_tag) {
    struct end *end = ctx;
    uv_stop(&ends_loop); // so that the loop does not wait before the test has looked
    end->opened++;
    end->link = link;
    end->dial = dial;
    end->kind = kind;
    end->address_tag = address_tag;
    end->has_key = key != NULL;
    if (key != NULL) {
        end->peer = *key;
    }
}

static void end_bytes(void *ctx, uint64_t link, struct span bytes) {
    struct end *end = ctx;
    uv_stop(&ends_loop); // so that the loop does not wait before the test has looked
    buf_append(&end->got, bytes);
    while (end->echoes && end->got.n >= CELL_BYTES) {
        net_send(end->net, link, span_of(end->got.p, CELL_BYTES));
        memmove(end->got.p, end->got.p + CELL_BYTES, end->got.n - CELL_BYTES);
        end->got.n -= CELL_BYTES;
    }
}

static void end_drained(void *ctx, uint64_t link) {
    struct end *end = ctx;
    uv_stop(&ends_loop); // so that the loop does not wait before the test has looked
    assert_int_equal(link, end->link);
    end->drained++;
}

static void end_closed(void *ctx, uint64_t link, enum close_reason reason) {
    struct end *end = ctx;
    uv_stop(&ends_loop); // so that the loop does not wait before the test has looked
    (void)link;
    end->closed++;
    end->closed_reason = reason;
}

static void end_dial_failed(void *ctx, uint64_t dial, enum close_reason reason) {
    struct end *end = ctx;
    uv_stop(&ends_loop); // so that the loop does not wait before the test has looked
    end->failed++;
    end->dial = dial;
    end->failed_reason = reason;
}

// What a test wants changed is changed in `config` before.
static void end_config(struct net_config *config, const uint8_t *seed) {
    static const uint8_t tag_key[32] = {1};
    *config = (struct net_config){.identity_seed = seed, .tag_key = tag_key};
    net_limits_defaults(&config->limits);
    config->limits.accepts_per_address_s = 10000;
}

static void end_begin_with(struct end *end, struct net_config *config, bool listens) {
    *end = (struct end){.metrics = metrics_new()};
    config->metrics = end->metrics;
    struct net_events events = {end, end_open, end_bytes, end_drained, end_closed, end_dial_failed};
    struct buf why = {0};
    assert_int_equal(net_new(&end->net, &ends_loop, config, &events, &why), OK);
    if (config->identity_seed != NULL) {
        struct sign_secret secret;
        sign_key_from_seed(&secret, &end->key, config->identity_seed);
    }
    if (listens) {
        strcpy(end->address.host, "127.0.0.1");
        assert_int_equal(net_listen(end->net, &end->address.port, &end->address, &why), OK);
        assert_int_not_equal(end->address.port, 0);
    }
    buf_free(&why);
}

static inline void end_begin(struct end *end, const uint8_t *seed, bool listens) {
    struct net_config config;
    end_config(&config, seed);
    end_begin_with(end, &config, listens);
}

static void end_free(struct end *end) {
    net_free(end->net);
    metrics_free(end->metrics);
    buf_free(&end->got);
}

// Stops and frees those that have begun, and closes the loop; a test's teardown returns what this does.
static int ends_finish(struct end *const *ends, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (ends[i]->net != NULL) {
            net_stop(ends[i]->net);
        }
    }
    uv_run(&ends_loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < count; i++) {
        if (ends[i]->net != NULL) {
            end_free(ends[i]);
        }
    }
    return uv_loop_close(&ends_loop);
}

static void out_of_patience(uv_timer_t *timer) {
    (void)timer;
    fail_msg("%s", "what the test waits for has not happened in 20 seconds");
}

// Turns the loop until `condition`: an expression over the ends.
#define RUN_UNTIL(condition)                                  \
    do {                                                      \
        uv_timer_t patience;                                  \
        uv_timer_init(&ends_loop, &patience);                 \
        uv_timer_start(&patience, out_of_patience, 20000, 0); \
        while (!(condition)) {                                \
            uv_run(&ends_loop, UV_RUN_ONCE);                  \
        }                                                     \
        uv_close((uv_handle_t *)&patience, NULL);             \
        while (uv_is_active((uv_handle_t *)&patience)) {      \
            uv_run(&ends_loop, UV_RUN_NOWAIT);                \
        }                                                     \
        uv_run(&ends_loop, UV_RUN_NOWAIT);                    \
    } while (0)

static inline void make_cell(uint8_t cell[static CELL_BYTES], uint8_t number) {
    memset(cell, number, CELL_BYTES);
}

#endif
