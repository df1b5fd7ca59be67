// A line a thing, the longest column last.
#define _GNU_SOURCE
#include "cli/ledger_print.h"

#include <stdio.h>

#include "cli/output.h"

static const char *amount_of(const json_t *json, const char *member) {
    return json_text(json_object_get(json, member), "text");
}

static void print_more(const json_t *json) {
    const json_t *next = json_object_get(json, "next");
    if (next != NULL) {
        fprintf(stderr, "there are more: --cursor %lld\n", (long long)json_integer_value(next));
    }
}

void ledger_print_fields(const json_t *json) {
    output_fields(json, 0);
}

static void print_tx(const json_t *tx) {
    const json_t *height = json_object_get(tx, "height");
    const json_t *outcome = json_object_get(tx, "outcome");
    const char *amount = amount_of(json_object_get(tx, json_text(tx, "kind")), "amount");
    bool failed = outcome != NULL && !json_is_true(json_object_get(outcome, "done"));
    if (height == NULL) {
        printf("%10s", "pending");
    } else {
        printf("%10lld", (long long)json_integer_value(height));
    }
    printf("  %-15s %18s  %s", json_text(tx, "kind"), amount, json_text(tx, "id"));
    printf("%s%s%s%s\n", output_red(), failed ? "  failed: " : "", failed ? json_text(outcome, "text") : "",
           output_plain());
}

void ledger_print_txs(const json_t *json) {
    size_t i;
    json_t *tx;
    json_array_foreach(json_object_get(json, "txs"), i, tx) {
        print_tx(tx);
    }
    print_more(json);
}

void ledger_print_validators(const json_t *json) {
    long long total = (long long)json_integer_value(json_object_get(json, "power"));
    size_t i;
    json_t *validator;
    json_array_foreach(json_object_get(json, "validators"), i, validator) {
        printf("%s  power %lld of %lld  operator %s\n", json_text(validator, "key"),
               (long long)json_integer_value(json_object_get(validator, "power")), total,
               json_text(validator, "operator"));
    }
}

void ledger_print_relays(const json_t *json) {
    size_t i;
    json_t *relay;
    json_array_foreach(json_object_get(json, "relays"), i, relay) {
        printf("%s  %-24s stake %s, %lld deliveries, rewards %s%s\n", json_text(relay, "id"),
               json_text(relay, "address"), amount_of(relay, "stake"),
               (long long)json_integer_value(json_object_get(relay, "deliveries")), amount_of(relay, "rewards"),
               json_object_get(relay, "retired_epoch") == NULL ? "" : ", retired");
    }
    print_more(json);
}
