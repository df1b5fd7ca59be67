// REST requests, as they come from the HTTP server: flags, path and query on lines of their own, then the body.
#include <string.h>

#include "api/api.h"
#include "base/assert.h"
#include "fuzz.h"

static struct api *api_of(bool all) {
    static struct api *apis[2];
    static struct metrics *metrics;
    if (apis[all] == NULL) {
        static const uint8_t seed[RNG_SEED_BYTES] = {1};
        struct rng rng;
        rng_init(&rng, seed);
        metrics = metrics == NULL ? metrics_new() : metrics;
        apis[all] = api_new(&(struct api_config){metrics, "1", "user", all, all, all}, &rng);
    }
    return apis[all];
}

static struct span line(struct span *rest, size_t max) {
    size_t n = 0;
    while (n < rest->n && rest->p[n] != '\n')
        n++;
    struct span out = span_of(rest->p, n < max ? n : max);
    size_t used = n < rest->n ? n + 1 : n;
    *rest = span_of(rest->p + used, rest->n - used);
    return out;
}

// A block without transactions, and a certificate for it.
static void give_block(struct ledger_answer *ledger) {
    struct block_header header = {.height = 1};
    struct certificate certificate = {.type = VOTE_PRECOMMIT, .height = 1, .value = {{1}}, .count = 1};
    uint8_t bytes[CERTIFICATE_BYTES_MAX];
    block_encode(&ledger->block, &header, NULL, 0);
    buf_append(&ledger->certificate, span_of(bytes, certificate_encode(bytes, &certificate)));
}

// Every record at once; a transaction is what was submitted, whatever it is.
static void give_ledger(struct ledger_answer *ledger, const struct ledger_request *request, uint8_t flags) {
    ledger->op = request->op;
    ledger->err = flags & 2 ? ERR_REFUSED : OK;
    ledger->verdict =
        request->tx.n == 0 ? MEMPOOL_TAKEN : (enum mempool_verdict)(request->tx.p[0] % (MEMPOOL_FULL + 1));
    ledger->chain.step = "propose";
    ledger->tx.status = flags & 8 ? TX_FINAL : TX_PENDING;
    ledger->relays = NEW(struct ledger_relay_record);
    ledger->relay_count = 1;
    ledger->txs = NEW(struct ledger_tx_record);
    ledger->tx_count = 1;
    if (request->op == LEDGER_SUBMIT) {
        buf_append(&ledger->tx.bytes, request->tx);
        buf_append(&ledger->txs[0].bytes, request->tx);
    }
    give_block(ledger);
}

// What the node may say: an error, or the records that the question asks for.
static void answer(struct api *api, const struct api_ask *ask, uint8_t flags) {
    struct message_record message = {.incoming = flags & 1, .stored_ms = -1};
    struct node_answer from_node = {.id = ask->request.id, .op = ask->request.op};
    struct http_answer out = {0};
    from_node.client.err = flags & 2 ? ERR_REFUSED : OK;
    from_node.client.message_count = 1;
    from_node.client.messages = &message;
    buf_append(&message.text, SPAN_LITERAL("text"));
    give_ledger(&from_node.ledger, &ask->request.ledger, flags);
    api_answer(api, &out, &from_node);
    ASSERT(out.id == ask->request.id && out.status >= 200 && out.status < 600);
    ASSERT((out.status == 204) == (out.body.n == 0));
    http_answer_clear(&out);
    ledger_answer_clear(&from_node.ledger);
    buf_free(&message.text);
}

static void check_ask(const struct api_ask *ask) {
    const struct client_request *client = &ask->request.client;
    if (ask->request.op == NODE_CLIENT) {
        ASSERT(client->id == ask->request.id);
        ASSERT(memchr(client->name, 0, sizeof(client->name)) != NULL);
        ASSERT(memchr(client->link, 0, sizeof(client->link)) != NULL);
        ASSERT(client->op != CLIENT_SEND || (client->text.n >= 1 && client->text.n <= TEXT_BYTES_MAX));
        ASSERT(client->limit <= LIST_MAX);
    }
    const struct ledger_request *ledger = &ask->request.ledger;
    if (ask->request.op == NODE_LEDGER) {
        ASSERT(ledger->id == ask->request.id);
        ASSERT(ledger->limit <= LEDGER_LIST_MAX);
        ASSERT(ledger->tx.n <= TX_BYTES_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    uint8_t flags = data[0];
    struct span rest = span_of(data + 1, size - 1);
    struct buf path = {0};
    buf_append(&path, SPAN_LITERAL("/"));
    buf_append(&path, line(&rest, HTTP_PATH_BYTES_MAX - 1));
    for (size_t i = 0; i < path.n; i++)
        path.p[i] = path.p[i] == 0 ? '0' : path.p[i]; // the server lets no zero bytes through
    struct api *api = api_of(flags & 0x80);
    struct process_reading process = {0};
    struct http_request http = {.id = 7,
                                .door = flags & 0x40 ? HTTP_HEALTH : HTTP_API,
                                .method = (enum http_method)((flags >> 2) % (HTTP_OTHER + 1)),
                                .stream = flags & 0x20,
                                .path = buf_span(&path),
                                .query = line(&rest, HTTP_QUERY_BYTES_MAX),
                                .process = &process};
    http.body = span_of(rest.p, rest.n < HTTP_BODY_BYTES_MAX ? rest.n : HTTP_BODY_BYTES_MAX);
    struct http_answer out = {0};
    struct api_ask ask;
    enum api_verdict verdict = api_request(api, &out, &ask, &http, (struct now){1, 1});
    if (verdict == API_ANSWERED) {
        ASSERT(out.id == 7 && out.status >= 200 && out.status < 600 && out.body.n > 0);
    } else {
        ASSERT(ask.request.id == 7);
        check_ask(&ask);
        if (verdict == API_STREAM || flags & 1)
            api_gone(api, 7);
        else
            answer(api, &ask, flags);
    }
    http_answer_clear(&out);
    buf_free(&path);
    return 0;
}
