// The ledger's routes: what the node is asked, and what its answers and refusals become.
#include <stdio.h>

#include <jansson.h>

#include "api/api.h"
#include "ledger/draw.h"

#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

struct fixture {
    struct api *api;
    struct metrics *metrics;
    struct http_answer answer;
    struct api_ask ask;
    json_t *json; // of the last answer
};

static int set_up_with(void **state, bool ledger) {
    static const uint8_t seed[RNG_SEED_BYTES] = {7};
    struct fixture *f = NEW(struct fixture);
    struct rng rng;
    rng_init(&rng, seed);
    f->metrics = metrics_new();
    f->api = api_new(
        &(struct api_config){.metrics = f->metrics, .version = "1", .roles = "validator", .ledger = ledger}, &rng);
    *state = f;
    return 0;
}

static int set_up(void **state) {
    return set_up_with(state, true);
}

static int set_up_without(void **state) {
    return set_up_with(state, false);
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    json_decref(f->json);
    http_answer_clear(&f->answer);
    api_free(f->api);
    metrics_free(f->metrics);
    free(f);
    return 0;
}

static enum api_verdict call(struct fixture *f, enum http_method method, const char *path, const char *body) {
    struct http_request http = {.id = 9, .door = HTTP_API, .method = method, .path = span_of_text(path)};
    const char *query = strchr(path, '?');
    if (query != NULL) {
        http.path.n = (size_t)(query - path);
        http.query = span_of_text(query + 1);
    }
    http.body = span_of_text(body);
    return api_request(f->api, &f->answer, &f->ask, &http, (struct now){.mono_ms = 1000});
}

static const struct ledger_request *asks(struct fixture *f, const char *path, enum ledger_op op) {
    assert_int_equal(call(f, HTTP_GET, path, ""), API_ASKED);
    api_gone(f->api, 9);
    assert_int_equal(f->ask.request.op, NODE_LEDGER);
    assert_int_equal(f->ask.request.ledger.id, 9);
    assert_int_equal(f->ask.request.ledger.op, op);
    return &f->ask.request.ledger;
}

static const json_t *answered(struct fixture *f, struct ledger_answer *ledger, unsigned status) {
    struct node_answer answer = {.id = 9, .op = NODE_LEDGER, .ledger = *ledger};
    api_answer(f->api, &f->answer, &answer);
    assert_int_equal(f->answer.status, status);
    json_decref(f->json);
    f->json = json_loadb((const char *)f->answer.body.p, f->answer.body.n, 0, NULL);
    assert_non_null(f->json);
    return f->json;
}

static const char *text_of(const json_t *json, const char *member) {
    const char *text = json_string_value(json_object_get(json, member));
    return text == NULL ? "" : text;
}

static long long number_at(const json_t *json, const char *member) {
    return (long long)json_integer_value(json_object_get(json, member));
}

// The body of a submission, and the bytes in it.
static char *draw_body(struct drawn *drawn, struct buf *bytes, enum tx_kind kind) {
    struct rng rng = rng_of_seed(3);
    uint8_t encoded[TX_BYTES_MAX];
    static char body[2 * TX_BYTES_MAX + 32];
    static char hex[2 * TX_BYTES_MAX + 1];
    tx_draw(drawn, kind, &rng);
    buf_append(bytes, span_of(encoded, tx_encode(encoded, &drawn->tx)));
    hex_encode(hex, buf_span(bytes));
    snprintf(body, sizeof body, "{\"tx\":\"%s\"}", hex);
    return body;
}

// ---- questions

static void each_path_asks_its_question(void **state) {
    struct fixture *f = *state;
    uint8_t key[32];
    assert_int_equal(hex_decode(key, sizeof key, KEY), OK);
    asks(f, "/v1/chain", LEDGER_CHAIN);
    asks(f, "/v1/consensus", LEDGER_CHAIN);
    asks(f, "/v1/validators", LEDGER_VALIDATORS);
    assert_memory_equal(asks(f, "/v1/txs/" KEY, LEDGER_TX)->tx_id.bytes, key, 32);
    assert_memory_equal(asks(f, "/v1/accounts/" KEY, LEDGER_ACCOUNT)->key, key, 32);
    assert_memory_equal(asks(f, "/v1/relays/" KEY, LEDGER_RELAY)->key, key, 32);
    assert_int_equal(asks(f, "/v1/mempool?limit=3", LEDGER_MEMPOOL)->limit, 3);
    assert_int_equal(asks(f, "/v1/relays?cursor=400", LEDGER_RELAYS)->cursor, 400);
}

static void a_block_is_asked_for_by_height_or_by_id(void **state) {
    struct fixture *f = *state;
    const struct ledger_request *request = asks(f, "/v1/blocks/12", LEDGER_BLOCK);
    assert_true(request->by_height);
    assert_int_equal(request->height, 12);
    request = asks(f, "/v1/blocks/" KEY "/txs", LEDGER_BLOCK);
    assert_false(request->by_height);
    assert_int_equal(request->block.bytes[1], 0x11);
}

static void pages_have_a_cursor_and_a_limit(void **state) {
    struct fixture *f = *state;
    const struct ledger_request *request = asks(f, "/v1/accounts/" KEY "/txs?cursor=5&limit=7", LEDGER_TXS);
    assert_int_equal(request->cursor, 5);
    assert_int_equal(request->limit, 7);
    request = asks(f, "/v1/accounts/" KEY "/txs", LEDGER_TXS);
    assert_int_equal(request->cursor, 0);
    assert_int_equal(request->limit, LEDGER_LIST_MAX);
}

static void every_bad_question_is_refused(void **state) {
    struct fixture *f = *state;
    static const char *const paths[] = {
        "/v1/blocks/-1",
        "/v1/blocks/latest",
        "/v1/blocks/" KEY "00",
        "/v1/blocks/9999999999999999999",
        "/v1/txs/12",
        "/v1/accounts/xx",
        "/v1/accounts/" KEY "/txs?limit=0",
        "/v1/accounts/" KEY "/txs?limit=201",
        "/v1/accounts/" KEY "/txs?cursor=x",
        "/v1/relays?limit=",
        "/v1/relays/",
        "/v1/mempool?limit=1x",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(call(f, HTTP_GET, paths[i], ""), API_ANSWERED);
        assert_true(f->answer.status == 400 || f->answer.status == 404);
        assert_string_equal(f->answer.content_type, "application/problem+json");
    }
}

static void a_node_without_a_ledger_has_none_of_its_routes(void **state) {
    struct fixture *f = *state;
    static const char *const paths[] = {"/v1/chain", "/v1/blocks/1", "/v1/validators", "/v1/mempool", "/v1/events"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(call(f, HTTP_GET, paths[i], ""), API_ANSWERED);
        assert_int_equal(f->answer.status, 404);
    }
}

// ---- submitting

static void a_transaction_goes_to_the_node_as_its_bytes(void **state) {
    struct fixture *f = *state;
    struct drawn drawn;
    struct buf bytes = {0};
    char *body = draw_body(&drawn, &bytes, TX_TRANSFER);
    assert_int_equal(call(f, HTTP_POST, "/v1/txs", body), API_ASKED);
    const struct ledger_request *request = &f->ask.request.ledger;
    assert_int_equal(request->op, LEDGER_SUBMIT);
    assert_true(span_equal(request->tx, buf_span(&bytes)));
    assert_false(request->wait_final);
    assert_int_equal(f->ask.wait_ms, 0);
    assert_int_equal(call(f, HTTP_POST, "/v1/txs?wait=final", body), API_ASKED);
    assert_true(request->wait_final);
    assert_int_equal(request->deadline_ms, 31000);
    assert_true(f->ask.wait_ms > 30000); // the ledger's answer comes before the host's
    buf_free(&bytes);
}

static void what_is_no_transaction_is_refused_before_the_node_sees_it(void **state) {
    struct fixture *f = *state;
    struct drawn drawn;
    struct buf bytes = {0};
    char *good = draw_body(&drawn, &bytes, TX_TRANSFER);
    char big[2 * TX_BYTES_MAX + 64];
    snprintf(big, sizeof big, "{\"tx\":\"%0*d\"}", 2 * TX_BYTES_MAX + 2, 0);
    const char *const bodies[] = {"", "[]", "{}", "{\"tx\":1}", "{\"tx\":\"\"}", "{\"tx\":\"00\"}", big};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        assert_int_equal(call(f, HTTP_POST, "/v1/txs", bodies[i]), API_ANSWERED);
        assert_int_equal(f->answer.status, 400);
    }
    assert_int_equal(call(f, HTTP_POST, "/v1/txs?wait=pending", good), API_ANSWERED);
    assert_int_equal(f->answer.status, 400);
    good[10] = 'g';
    assert_int_equal(call(f, HTTP_POST, "/v1/txs", good), API_ANSWERED);
    assert_int_equal(f->answer.status, 400);
    buf_free(&bytes);
}

static const json_t *submitted(struct fixture *f, struct ledger_answer *answer, unsigned status) {
    struct drawn drawn;
    struct buf bytes = {0};
    assert_int_equal(call(f, HTTP_POST, "/v1/txs", draw_body(&drawn, &bytes, TX_TRANSFER)), API_ASKED);
    buf_free(&bytes);
    answer->op = LEDGER_SUBMIT;
    return answered(f, answer, status);
}

static void what_waits_is_202_and_what_is_final_200(void **state) {
    struct fixture *f = *state;
    struct ledger_answer answer = {.tx = {.status = TX_PENDING}};
    assert_string_equal(text_of(submitted(f, &answer, 202), "status"), "pending");
    answer.verdict = MEMPOOL_KNOWN; // submitted twice: still waiting, no mistake
    assert_string_equal(text_of(submitted(f, &answer, 202), "status"), "pending");
    answer.reason = "too many wait here";
    assert_string_equal(text_of(submitted(f, &answer, 202), "hint"), "too many wait here");
    answer.reason = NULL;
    answer.tx = (struct ledger_tx_record){.status = TX_FINAL, .height = 4, .outcome = TX_FAILED_FUNDS};
    const json_t *json = submitted(f, &answer, 200);
    assert_string_equal(text_of(json, "status"), "final");
    assert_int_equal(number_at(json, "height"), 4);
    const json_t *outcome = json_object_get(json, "outcome");
    assert_true(json_is_false(json_object_get(outcome, "done")));
    assert_string_equal(text_of(outcome, "text"), tx_outcome_text(TX_FAILED_FUNDS));
}

static void the_mempool_s_verdict_comes_with_its_refusal(void **state) {
    struct fixture *f = *state;
    static const struct {
        enum mempool_verdict verdict;
        unsigned status;
        const char *name;
    } cases[] = {
        {MEMPOOL_NONCE_USED, 409, "nonce_used"},   {MEMPOOL_NONCE_FAR, 409, "nonce_far"},
        {MEMPOOL_FEE_LOW, 422, "fee_low"},         {MEMPOOL_UNDERPRICED, 409, "underpriced"},
        {MEMPOOL_SENDER_FULL, 429, "sender_full"}, {MEMPOOL_FULL, 503, "full"},
        {MEMPOOL_UNPAYABLE, 422, "unpayable"},     {MEMPOOL_INVALID, 400, "invalid"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ledger_answer answer = {.err = ERR_REFUSED, .verdict = cases[i].verdict};
        const json_t *json = submitted(f, &answer, cases[i].status);
        assert_string_equal(f->answer.content_type, "application/problem+json");
        assert_string_equal(text_of(json, "verdict"), cases[i].name);
        assert_string_equal(text_of(json, "detail"), mempool_verdict_text(cases[i].verdict));
        assert_int_equal(number_at(json, "status"), cases[i].status);
    }
}

static void a_transaction_that_is_wrong_in_itself_has_no_verdict(void **state) {
    struct fixture *f = *state;
    static const enum err errors[] = {ERR_MALFORMED, ERR_NETWORK, ERR_AUTH};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct ledger_answer answer = {.err = errors[i], .verdict = MEMPOOL_FULL, .reason = "a signature is wrong"};
        const json_t *json = submitted(f, &answer, 400);
        assert_string_equal(text_of(json, "detail"), "a signature is wrong");
        assert_null(json_object_get(json, "verdict"));
    }
}

static void errors_of_the_ledger_have_their_status(void **state) {
    struct fixture *f = *state;
    static const struct {
        enum err err;
        unsigned status;
    } cases[] = {
        {ERR_NOT_FOUND, 404}, {ERR_UNAVAILABLE, 503}, {ERR_FULL, 507}, {ERR_UNSUPPORTED, 501}, {ERR_CORRUPT, 500}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ledger_answer answer = {.op = LEDGER_TX, .err = cases[i].err};
        assert_int_equal(call(f, HTTP_GET, "/v1/txs/" KEY, ""), API_ASKED);
        assert_string_equal(text_of(answered(f, &answer, cases[i].status), "detail"), err_text(cases[i].err));
    }
}

// ---- answers

static void an_account_s_amounts_have_units(void **state) {
    struct fixture *f = *state;
    struct ledger_answer answer = {.op = LEDGER_ACCOUNT, .account = {true, {.nonce = 7, .balance = 12500000}, 9}};
    assert_int_equal(call(f, HTTP_GET, "/v1/accounts/" KEY, ""), API_ASKED);
    const json_t *json = answered(f, &answer, 200);
    assert_int_equal(number_at(json_object_get(json, "balance"), "grains"), 12500000);
    assert_string_equal(text_of(json_object_get(json, "balance"), "text"), "12.5 SOT");
    assert_int_equal(number_at(json, "nonce"), 7);
    assert_int_equal(number_at(json, "next_nonce"), 9);
}

static void a_transaction_is_told_by_its_kind(void **state) {
    struct fixture *f = *state;
    for (int kind = TX_TRANSFER; kind <= TX_EVIDENCE; kind++) {
        struct drawn drawn;
        struct ledger_answer answer = {.op = LEDGER_TX, .tx = {.status = TX_PENDING}};
        draw_body(&drawn, &answer.tx.bytes, (enum tx_kind)kind);
        assert_int_equal(call(f, HTTP_GET, "/v1/txs/" KEY, ""), API_ASKED);
        const json_t *json = answered(f, &answer, 200);
        const char *name = tx_kind_text((enum tx_kind)kind);
        assert_string_equal(text_of(json, "kind"), name);
        assert_int_equal(json_string_length(json_object_get(json, "bytes")), 2 * answer.tx.bytes.n);
        assert_int_equal(json_object_get(json, name) == NULL, kind == TX_RETIRE_RELAY); // which says nothing more
        buf_free(&answer.tx.bytes);
    }
}

// What a client does with the answer: the path leads from the id to the root in the block's header.
static void the_proof_of_a_transaction_verifies(void **state) {
    struct fixture *f = *state;
    struct hash ids[5];
    struct rng rng = rng_of_seed(2);
    rng_bytes(&rng, ids, sizeof ids);
    struct ledger_answer answer = {.op = LEDGER_TX, .tx = {.status = TX_FINAL, .height = 3, .index = 4, .tx_count = 5}};
    memcpy(answer.tx.id.bytes, ids[4].bytes, 32);
    answer.tx.path_count = merkle_prove(answer.tx.path, ids, 5, 4);
    assert_int_equal(call(f, HTTP_GET, "/v1/txs/" KEY, ""), API_ASKED);
    const json_t *proof = json_object_get(answered(f, &answer, 200), "proof");
    struct hash path[MERKLE_PATH_MAX];
    struct hash root;
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(proof, "path"), i, one) {
        assert_int_equal(hex_decode(path[i].bytes, 32, json_string_value(one)), OK);
    }
    merkle_root(&root, ids, 5);
    assert_int_equal(merkle_verify(&root, (uint32_t)number_at(proof, "tx_count"), (uint32_t)number_at(proof, "index"),
                                   &ids[4],
                                   (struct merkle_path){path, json_array_size(json_object_get(proof, "path"))}),
                     OK);
}

static void the_last_page_names_no_next_one(void **state) {
    struct fixture *f = *state;
    struct ledger_answer answer = {.op = LEDGER_TXS, .more = true, .cursor = 40};
    assert_int_equal(call(f, HTTP_GET, "/v1/accounts/" KEY "/txs", ""), API_ASKED);
    assert_int_equal(number_at(answered(f, &answer, 200), "next"), 40);
    answer.more = false;
    assert_int_equal(call(f, HTTP_GET, "/v1/accounts/" KEY "/txs", ""), API_ASKED);
    assert_null(json_object_get(answered(f, &answer, 200), "next"));
}

// ---- what is told to those who watch

static void a_stream_watches_the_ledger(void **state) {
    struct fixture *f = *state;
    struct http_request http = {
        .id = 9, .door = HTTP_API, .method = HTTP_GET, .path = SPAN_LITERAL("/v1/events"), .stream = true};
    assert_int_equal(api_request(f->api, &f->answer, &f->ask, &http, (struct now){0}), API_STREAM);
    assert_int_equal(f->ask.request.op, NODE_WATCH);
    assert_int_equal(f->ask.request.ledger.op, LEDGER_WATCH);
    assert_int_equal(f->ask.request.ledger.id, 9);
}

static void each_note_has_its_type(void **state) {
    struct fixture *f = *state;
    static const struct {
        struct ledger_note note;
        const char *type;
    } cases[] = {
        {{.kind = LEDGER_NOTE_BLOCK, .height = 5}, "block"},
        {{.kind = LEDGER_NOTE_TX, .height = 5, .tx_kind = TX_STAKE}, "tx"},
        {{.kind = LEDGER_NOTE_BATCH, .height = 5}, "batch"},
        {{.kind = LEDGER_NOTE_EVENT, .height = 5, .event = {.kind = LEDGER_SET_CHANGED}}, "validators"},
        {{.kind = LEDGER_NOTE_EVENT, .height = 5, .event = {.kind = LEDGER_EPOCH_BEGINS}}, "epoch"},
        {{.kind = LEDGER_NOTE_EVENT, .height = 5, .event = {.kind = LEDGER_VALIDATOR_SLASHED}}, "slash"},
        {{.kind = LEDGER_NOTE_EVENT, .height = 5, .event = {.kind = LEDGER_RELAY_SLASHED}}, "slash"},
        {{.kind = LEDGER_NOTE_EVENT, .height = 5, .event = {.kind = LEDGER_RELAY_PAID}}, "reward"},
        {{.kind = LEDGER_NOTE_EVENT, .height = 5, .event = {.kind = LEDGER_RELAY_GONE}}, "retired"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stream_item item = {.id = 9, .kind = STREAM_LEDGER, .note = cases[i].note};
        struct buf frame = {0};
        assert_true(api_stream(f->api, &frame, &item));
        json_t *json = json_loadb((const char *)frame.p, frame.n, 0, NULL);
        assert_string_equal(text_of(json, "type"), cases[i].type);
        assert_int_equal(number_at(json, "height"), 5);
        json_decref(json);
        buf_free(&frame);
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(each_path_asks_its_question),
        CASE(a_block_is_asked_for_by_height_or_by_id),
        CASE(pages_have_a_cursor_and_a_limit),
        CASE(every_bad_question_is_refused),
        cmocka_unit_test_setup_teardown(a_node_without_a_ledger_has_none_of_its_routes, set_up_without, tear_down),
        CASE(a_transaction_goes_to_the_node_as_its_bytes),
        CASE(what_is_no_transaction_is_refused_before_the_node_sees_it),
        CASE(what_waits_is_202_and_what_is_final_200),
        CASE(the_mempool_s_verdict_comes_with_its_refusal),
        CASE(a_transaction_that_is_wrong_in_itself_has_no_verdict),
        CASE(errors_of_the_ledger_have_their_status),
        CASE(an_account_s_amounts_have_units),
        CASE(a_transaction_is_told_by_its_kind),
        CASE(the_proof_of_a_transaction_verifies),
        CASE(the_last_page_names_no_next_one),
        CASE(a_stream_watches_the_ledger),
        CASE(each_note_has_its_type),
    };
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
