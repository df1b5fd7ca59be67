// The ledger's routes: what the node is asked, and what is made of its answer. Their table is in routes.c.
#include <stdlib.h>
#include <string.h>

#include "api/api_internal.h"

#define WAIT_FINAL_MS 30000
#define WAIT_MARGIN_MS 5000 // the ledger answers first

// ---- questions

const char *ask_chain(struct api_ask *ask, const struct route_call *call) {
    (void)call;
    ask->request.ledger.op = LEDGER_CHAIN;
    return NULL;
}

const char *ask_validators(struct api_ask *ask, const struct route_call *call) {
    (void)call;
    ask->request.ledger.op = LEDGER_VALIDATORS;
    return NULL;
}

const char *ask_block(struct api_ask *ask, const struct route_call *call) {
    struct ledger_request *ledger = &ask->request.ledger;
    ledger->op = LEDGER_BLOCK;
    ledger->by_height = number_of(&ledger->height, call->parameter, strlen(call->parameter));
    if (!ledger->by_height && hex_decode(ledger->block.bytes, sizeof(ledger->block.bytes), call->parameter) != OK) {
        return "block: a height, or an id of 64 hexadecimal digits, is wanted";
    }
    return NULL;
}

const char *ask_tx(struct api_ask *ask, const struct route_call *call) {
    struct ledger_request *ledger = &ask->request.ledger;
    ledger->op = LEDGER_TX;
    if (hex_decode(ledger->tx_id.bytes, sizeof(ledger->tx_id.bytes), call->parameter) != OK) {
        return "id: 64 hexadecimal digits are wanted";
    }
    return NULL;
}

// Whether to wait until the transaction is final. False: that is not what the query says.
static bool take_wait(struct api_ask *ask, const struct route_call *call) {
    struct ledger_request *ledger = &ask->request.ledger;
    struct span wait;
    if (!query_text(&wait, call->http->query, "wait")) {
        return true;
    }
    ledger->wait_final = true;
    ledger->deadline_ms = call->now.mono_ms + WAIT_FINAL_MS;
    ask->wait_ms = WAIT_FINAL_MS + WAIT_MARGIN_MS;
    return span_equal(wait, SPAN_LITERAL("final"));
}

const char *ask_submit(struct api_ask *ask, const struct route_call *call) {
    struct ledger_request *ledger = &ask->request.ledger;
    const json_t *tx = json_object_get(call->body, "tx");
    size_t n = json_string_length(tx);
    ledger->op = LEDGER_SUBMIT;
    if (!take_wait(ask, call)) {
        return "wait: final is all that can be waited for";
    }
    if (!json_is_string(tx) || n < 2 * TX_BYTES_MIN || n > 2 * TX_BYTES_MAX) {
        return "tx: a transaction's bytes in hexadecimal are wanted";
    }
    buf_clear(call->bytes);
    if (hex_decode(buf_extend(call->bytes, n / 2), n / 2, json_string_value(tx)) != OK) {
        return "tx: a transaction's bytes in hexadecimal are wanted";
    }
    ledger->tx = buf_span(call->bytes);
    return NULL;
}

static const char *take_key(struct api_ask *ask, const struct route_call *call, enum ledger_op op) {
    struct ledger_request *ledger = &ask->request.ledger;
    ledger->op = op;
    return hex_decode(ledger->key, sizeof(ledger->key), call->parameter) == OK
               ? NULL
               : "key: 64 hexadecimal digits are wanted";
}

static const char *take_page(struct api_ask *ask, const struct route_call *call) {
    struct ledger_request *ledger = &ask->request.ledger;
    uint64_t limit = LEDGER_LIST_MAX;
    if (!query_number(&ledger->cursor, call->http->query, "cursor")) {
        return "cursor: the next of the page before is wanted";
    }
    if (!query_number(&limit, call->http->query, "limit") || limit == 0 || limit > LEDGER_LIST_MAX) {
        return "limit: a number from 1 to 200 is wanted";
    }
    ledger->limit = (uint32_t)limit;
    return NULL;
}

const char *ask_account(struct api_ask *ask, const struct route_call *call) {
    return take_key(ask, call, LEDGER_ACCOUNT);
}

const char *ask_account_txs(struct api_ask *ask, const struct route_call *call) {
    const char *wrong = take_key(ask, call, LEDGER_TXS);
    return wrong != NULL ? wrong : take_page(ask, call);
}

const char *ask_ledger_relays(struct api_ask *ask, const struct route_call *call) {
    ask->request.ledger.op = LEDGER_RELAYS;
    return take_page(ask, call);
}

const char *ask_ledger_relay(struct api_ask *ask, const struct route_call *call) {
    return take_key(ask, call, LEDGER_RELAY);
}

const char *ask_mempool(struct api_ask *ask, const struct route_call *call) {
    ask->request.ledger.op = LEDGER_MEMPOOL;
    return take_page(ask, call);
}

// ---- answers

json_t *chain_of(const struct node_answer *answer) {
    return format_chain(&answer->ledger.chain);
}

json_t *consensus_of(const struct node_answer *answer) {
    return format_consensus(&answer->ledger.chain);
}

json_t *block_of(const struct node_answer *answer) {
    return format_block(&answer->ledger);
}

json_t *block_txs_of(const struct node_answer *answer) {
    return format_block_txs(&answer->ledger);
}

json_t *tx_of(const struct node_answer *answer) {
    json_t *json = format_tx(&answer->ledger.tx);
    if (answer->ledger.reason != NULL) {
        json_object_set_new(json, "hint", json_string(answer->ledger.reason));
    }
    return json;
}

unsigned submitted_status(const struct node_answer *answer) {
    return answer->ledger.tx.status == TX_FINAL ? 200 : 202;
}

json_t *account_of(const struct node_answer *answer) {
    const struct ledger_account_record *record = &answer->ledger.account;
    return json_pack("{sb so so so}", "exists", record->exists, "balance", format_amount(record->account.balance),
                     "nonce", format_number(record->account.nonce), "next_nonce", format_number(record->next_nonce));
}

// A page; its `next` is the cursor of the page after it, if there is one.
static json_t *page_of(const struct ledger_answer *answer, const char *member, json_t *list) {
    json_t *page = json_pack("{so}", member, list);
    if (answer->more) {
        json_object_set_new(page, "next", format_number(answer->cursor));
    }
    return page;
}

static json_t *tx_list(const struct ledger_answer *answer) {
    json_t *array = json_array();
    for (size_t i = 0; i < answer->tx_count; i++) {
        json_array_append_new(array, format_tx(&answer->txs[i]));
    }
    return array;
}

json_t *account_txs_of(const struct node_answer *answer) {
    return page_of(&answer->ledger, "txs", tx_list(&answer->ledger));
}

json_t *mempool_of(const struct node_answer *answer) {
    const struct ledger_chain_record *chain = &answer->ledger.chain;
    return json_pack("{sI sI so}", "count", (json_int_t)chain->mempool_count, "bytes", (json_int_t)chain->mempool_bytes,
                     "txs", tx_list(&answer->ledger));
}

json_t *validators_of(const struct node_answer *answer) {
    return format_validators(&answer->ledger.validators);
}

json_t *ledger_relays_of(const struct node_answer *answer) {
    json_t *array = json_array();
    for (size_t i = 0; i < answer->ledger.relay_count; i++) {
        json_array_append_new(array, format_ledger_relay(&answer->ledger.relays[i]));
    }
    return page_of(&answer->ledger, "relays", array);
}

json_t *ledger_relay_of(const struct node_answer *answer) {
    return answer->ledger.relay_count == 1 ? format_ledger_relay(&answer->ledger.relays[0]) : NULL;
}

// ---- refusals

struct refusal {
    unsigned status;
    const char *name;
};

static struct refusal refusal_of(enum mempool_verdict verdict) {
    switch (verdict) {
    case MEMPOOL_NONCE_USED:
        return (struct refusal){409, "nonce_used"};
    case MEMPOOL_NONCE_FAR:
        return (struct refusal){409, "nonce_far"};
    case MEMPOOL_FEE_LOW:
        return (struct refusal){422, "fee_low"};
    case MEMPOOL_UNDERPRICED:
        return (struct refusal){409, "underpriced"};
    case MEMPOOL_SENDER_FULL:
        return (struct refusal){429, "sender_full"};
    case MEMPOOL_UNPAYABLE:
        return (struct refusal){422, "unpayable"};
    case MEMPOOL_FULL:
        return (struct refusal){503, "full"};
    case MEMPOOL_INVALID:
        return (struct refusal){400, "invalid"};
    case MEMPOOL_TAKEN:
    case MEMPOOL_KNOWN:
        break;
    }
    return (struct refusal){0, NULL}; // it was not the mempool that refused
}

bool refuse_by_mempool(struct http_answer *out, const struct node_answer *answer) {
    if (answer->op != NODE_LEDGER || answer->ledger.op != LEDGER_SUBMIT || answer->ledger.err != ERR_REFUSED) {
        return false;
    }
    struct refusal refusal = refusal_of(answer->ledger.verdict);
    if (refusal.name == NULL) {
        return false;
    }
    http_refuse_with(out, answer->id, refusal.status, mempool_verdict_text(answer->ledger.verdict), "verdict",
                     refusal.name);
    return true;
}
