// The OpenAPI document: well formed, every reference resolves, every route is in it, and what the API really says fits
// the schemas that it promises.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "api/api.h"
#include "api/api_internal.h"
#include "ledger/committee.h"
#include "ledger/draw.h"

struct fixture {
    struct metrics *metrics;
    struct api *api;
    json_t *document;
};

static struct http_request request(enum http_method method, const char *path, const char *body) {
    return (struct http_request){
        .id = 1, .door = HTTP_API, .method = method, .path = span_of_text(path), .body = span_of_text(body)};
}

static int set_up_roles(void **state, bool all) {
    struct fixture *f = calloc(1, sizeof(*f));
    struct rng rng;
    static const uint8_t seed[RNG_SEED_BYTES] = {5};
    rng_init(&rng, seed);
    f->metrics = metrics_new();
    f->api = api_new(
        &(struct api_config){
            .metrics = f->metrics, .version = "9", .roles = "user", .user = all, .relay = true, .ledger = all},
        &rng);
    struct http_answer answer = {0};
    struct api_ask ask;
    struct http_request http = request(HTTP_GET, "/v1/openapi.json", "");
    assert_int_equal(api_request(f->api, &answer, &ask, &http, (struct now){0}), API_ANSWERED);
    f->document = json_loadb((const char *)answer.body.p, answer.body.n, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(f->document);
    http_answer_clear(&answer);
    *state = f;
    return 0;
}

static int set_up(void **state) {
    return set_up_roles(state, true);
}

static int set_up_relay(void **state) {
    return set_up_roles(state, false);
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    json_decref(f->document);
    api_free(f->api);
    metrics_free(f->metrics);
    free(f);
    return 0;
}

// ---- references ----

// The value a "#/a/b" names, NULL: none.
static const json_t *resolve(const json_t *document, const char *reference) {
    if (strncmp(reference, "#/", 2) != 0) {
        return NULL;
    }
    const json_t *at = document;
    const char *p = reference + 2;
    for (;;) {
        char part[64];
        size_t n = strcspn(p, "/");
        assert_true(n > 0 && n < sizeof part);
        memcpy(part, p, n);
        part[n] = 0;
        at = json_object_get(at, part);
        if (at == NULL || p[n] == 0) {
            return at;
        }
        p += n + 1;
    }
}

// Calls `see` for every object below.
static void walk(const json_t *value, void *ctx, void (*see)(void *ctx, const json_t *object)) {
    const char *key;
    json_t *member;
    size_t i;
    if (json_is_object(value)) {
        see(ctx, value);
        json_object_foreach((json_t *)value, key, member) {
            walk(member, ctx, see);
        }
    }
    json_array_foreach(value, i, member) {
        walk(member, ctx, see);
    }
}

struct references {
    const json_t *document;
    size_t count;
    json_t *named;
};

static void see_reference(void *ctx, const json_t *object) {
    struct references *references = ctx;
    const char *reference = json_string_value(json_object_get(object, "$ref"));
    if (reference != NULL) {
        if (resolve(references->document, reference) == NULL) {
            fail_msg("%s leads nowhere", reference);
        }
        json_object_set_new(references->named, strrchr(reference, '/') + 1, json_true());
        references->count++;
    }
}

static void every_reference_resolves_and_no_schema_is_left_over(void **state) {
    struct fixture *f = *state;
    struct references references = {.document = f->document, .named = json_object()};
    walk(f->document, &references, see_reference);
    assert_true(references.count > 20);
    const char *name;
    json_t *schema;
    json_object_foreach(json_object_get(json_object_get(f->document, "components"), "schemas"), name, schema) {
        // What goes over the WebSocket has no media type in OpenAPI: its route names the schema in words.
        if (json_object_get(references.named, name) == NULL && strcmp(name, "Event") != 0) {
            fail_msg("schema %s is used by nobody", name);
        }
    }
    json_decref(references.named);
}

// ---- structure ----

static bool has_parameter(const json_t *operation, const char *name, size_t n, const char *in) {
    size_t i;
    json_t *parameter;
    json_array_foreach(json_object_get(operation, "parameters"), i, parameter) {
        const char *its = json_string_value(json_object_get(parameter, "name"));
        if (strlen(its) == n && memcmp(its, name, n) == 0 &&
            strcmp(json_string_value(json_object_get(parameter, "in")), in) == 0) {
            assert_true(strcmp(in, "path") != 0 || json_is_true(json_object_get(parameter, "required")));
            assert_non_null(json_object_get(parameter, "schema"));
            return true;
        }
    }
    return false;
}

static void check_operation(const char *path, const json_t *operation) {
    assert_true(json_string_length(json_object_get(operation, "summary")) > 5);
    for (const char *open = strchr(path, '{'); open != NULL; open = strchr(open + 1, '{')) {
        assert_true(has_parameter(operation, open + 1, (size_t)(strchr(open, '}') - open) - 1, "path"));
    }
    size_t i;
    json_t *parameter;
    json_array_foreach(json_object_get(operation, "parameters"), i, parameter) {
        const char *name = json_string_value(json_object_get(parameter, "name"));
        const char *in = json_string_value(json_object_get(parameter, "in"));
        char braced[64];
        snprintf(braced, sizeof braced, "{%s}", name);
        assert_true(strcmp(in, "query") == 0 || strstr(path, braced) != NULL);
    }
    const json_t *responses = json_object_get(operation, "responses");
    assert_true(json_object_size(responses) >= 2);
    assert_non_null(json_object_get(responses, "default"));
    const char *status;
    json_t *response;
    json_object_foreach((json_t *)responses, status, response) {
        assert_true(strcmp(status, "default") == 0 || (strlen(status) == 3 && strspn(status, "0123456789") == 3));
        assert_true(json_is_string(json_object_get(response, "description")));
    }
    const json_t *body = json_object_get(operation, "requestBody");
    assert_true(body == NULL || json_is_object(json_object_get(
                                    json_object_get(json_object_get(body, "content"), "application/json"), "schema")));
}

static void every_operation_is_whole(void **state) {
    struct fixture *f = *state;
    assert_string_equal(json_string_value(json_object_get(f->document, "openapi")), "3.1.0");
    const json_t *info = json_object_get(f->document, "info");
    assert_true(json_string_length(json_object_get(info, "title")) > 0);
    assert_string_equal(json_string_value(json_object_get(info, "version")), "9");
    const char *path, *verb;
    json_t *item, *operation;
    size_t count = 0;
    json_object_foreach(json_object_get(f->document, "paths"), path, item) {
        assert_int_equal(path[0], '/');
        json_object_foreach(item, verb, operation) {
            assert_true(strcmp(verb, "get") == 0 || strcmp(verb, "post") == 0 || strcmp(verb, "put") == 0 ||
                        strcmp(verb, "delete") == 0);
            check_operation(path, operation);
            count++;
        }
    }
    assert_int_equal(count, route_count);
    const json_t *scheme = resolve(f->document, "#/components/securitySchemes/token");
    assert_string_equal(json_string_value(json_object_get(scheme, "scheme")), "bearer");
    assert_non_null(json_object_get(json_array_get(json_object_get(f->document, "security"), 0), "token"));
}

static void see_schema(void *ctx, const json_t *object) {
    static const char *const types[] = {"object", "array", "string", "integer", "boolean", "null", "http"};
    (void)ctx;
    const json_t *type = json_object_get(object, "type");
    for (size_t i = 0; json_is_string(type) && i <= 7; i++) {
        assert_true(i < 7);
        if (strcmp(json_string_value(type), types[i]) == 0) {
            break;
        }
    }
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(object, "required"), i, name) {
        assert_non_null(json_object_get(json_object_get(object, "properties"), json_string_value(name)));
    }
    if (json_is_string(type) && strcmp(json_string_value(type), "array") == 0) {
        assert_non_null(json_object_get(object, "items"));
    }
}

static void every_schema_is_well_formed(void **state) {
    struct fixture *f = *state;
    walk(json_object_get(json_object_get(f->document, "components"), "schemas"), NULL, see_schema);
}

static void a_relay_s_document_has_only_what_it_answers(void **state) {
    struct fixture *f = *state;
    assert_int_equal(json_object_size(json_object_get(f->document, "paths")), 2);
    assert_non_null(json_object_get(json_object_get(f->document, "paths"), "/v1/status"));
    assert_non_null(json_object_get(json_object_get(f->document, "paths"), "/v1/relay"));
}

// ---- what is said against what is promised ----

static bool is_type(const json_t *value, const char *type) {
    return strcmp(type, "object") == 0    ? json_is_object(value)
           : strcmp(type, "array") == 0   ? json_is_array(value)
           : strcmp(type, "string") == 0  ? json_is_string(value)
           : strcmp(type, "integer") == 0 ? json_is_integer(value)
           : strcmp(type, "boolean") == 0 ? json_is_boolean(value)
                                          : json_is_null(value);
}

static void fits(const json_t *document, const json_t *value, const json_t *schema, const char *where) {
    const char *reference = json_string_value(json_object_get(schema, "$ref"));
    if (reference != NULL) {
        fits(document, value, resolve(document, reference), reference);
        return;
    }
    const json_t *type = json_object_get(schema, "type");
    bool fitting = type == NULL || (json_is_string(type) && is_type(value, json_string_value(type)));
    size_t i;
    json_t *one;
    json_array_foreach(type, i, one) {
        fitting = fitting || is_type(value, json_string_value(one));
    }
    const json_t *choices = json_object_get(schema, "enum");
    bool chosen = choices == NULL;
    json_array_foreach(choices, i, one) {
        chosen = chosen || json_equal(one, value);
    }
    if (!fitting || !chosen) {
        char *text = json_dumps(value, JSON_ENCODE_ANY);
        fail_msg("%s: %s does not fit", where, text);
    }
    json_array_foreach(json_object_get(schema, "required"), i, one) {
        if (json_object_get(value, json_string_value(one)) == NULL) {
            fail_msg("%s: %s is missing", where, json_string_value(one));
        }
    }
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)value, name, member) {
        const json_t *property = json_object_get(json_object_get(schema, "properties"), name);
        if (property == NULL) {
            fail_msg("%s: %s is promised nowhere", where, name);
        }
        fits(document, member, property, name);
    }
    json_array_foreach(value, i, member) {
        fits(document, member, json_object_get(schema, "items"), where);
    }
}

static void text_fits(struct fixture *f, struct span text, const char *schema) {
    char reference[64];
    snprintf(reference, sizeof reference, "#/components/schemas/%s", schema);
    json_t *value = json_loadb((const char *)text.p, text.n, 0, NULL);
    assert_non_null(value);
    assert_non_null(resolve(f->document, reference));
    fits(f->document, value, resolve(f->document, reference), schema);
    json_decref(value);
}

#define RECORD_TXS (TX_EVIDENCE + 2) // one of each kind, one that waits, one whose block is gone

// Records of every kind and state, as the client and the ledger may give them.
struct records {
    struct message_record messages[8];
    struct contact_record contacts[2];
    struct request_record request;
    struct ledger_tx_record txs[RECORD_TXS];
    struct ledger_relay_record relays[2];
    struct node_answer answer;
};

// Transactions, and a block that holds those of each kind.
static void fill_block(struct records *r, struct rng *rng) {
    struct ledger_answer *ledger = &r->answer.ledger;
    struct span spans[TX_EVIDENCE];
    struct block_header header = {.height = 12, .time_ms = 1790000000000, .epoch = 3};
    for (int kind = TX_TRANSFER; kind <= TX_EVIDENCE; kind++) {
        struct ledger_tx_record *record = &r->txs[kind - 1];
        struct drawn drawn;
        uint8_t bytes[TX_BYTES_MAX];
        tx_draw(&drawn, (enum tx_kind)kind, rng);
        buf_append(&record->bytes, span_of(bytes, tx_encode(bytes, &drawn.tx)));
        tx_id_of(&record->id, buf_span(&record->bytes));
        spans[kind - 1] = buf_span(&record->bytes);
        record->status = TX_FINAL;
        record->height = 12;
        record->outcome = kind % 2 == 0 ? TX_DONE : TX_FAILED_FUNDS;
    }
    block_encode(&ledger->block, &header, spans, TX_EVIDENCE);
    struct block block;
    assert_int_equal(block_decode(&block, buf_span(&ledger->block)), OK);
    for (uint32_t i = 0; i < TX_EVIDENCE; i++) {
        r->txs[i].tx_count = TX_EVIDENCE;
        r->txs[i].index = i;
        r->txs[i].path_count = block_tx_prove(r->txs[i].path, &block, i);
    }
    block_free(&block);
    r->txs[TX_EVIDENCE] = (struct ledger_tx_record){.status = TX_PENDING};
    buf_append(&r->txs[TX_EVIDENCE].bytes, buf_span(&r->txs[0].bytes));
    r->txs[TX_EVIDENCE + 1] = (struct ledger_tx_record){.status = TX_FINAL, .height = 1};
    ledger->tx = r->txs[TX_EVIDENCE];
    ledger->txs = r->txs;
    ledger->tx_count = RECORD_TXS;
}

static void fill_ledger(struct records *r) {
    struct ledger_answer *ledger = &r->answer.ledger;
    struct rng rng = rng_of_seed(1);
    struct committee committee;
    struct certificate certificate;
    uint8_t bytes[CERTIFICATE_BYTES_MAX];
    fill_block(r, &rng);
    committee_draw(&committee, 4, 10, &rng);
    block_id_of(&ledger->block_id, &(struct block_header){.height = 12});
    committee_certify(&certificate, &committee, VOTE_PRECOMMIT, 12, 1, &ledger->block_id, 3);
    buf_append(&ledger->certificate, span_of(bytes, certificate_encode(bytes, &certificate)));
    ledger->validators = committee.set;
    ledger->chain = (struct ledger_chain_record){
        .fee_min = 1000, .height = 12, .consensus_height = 13, .step = "prevote", .peer_height = UINT64_MAX};
    ledger->account = (struct ledger_account_record){true, {.nonce = 7, .balance = 12500000}, 9};
    for (size_t i = 0; i < 2; i++) {
        r->relays[i].relay.address = (struct address){.host = "::1", .port = 7};
        r->relays[i].relay.stake = GRAINS_MAX;
        r->relays[i].relay.retired_epoch = i == 0 ? EPOCH_NONE : 4;
        r->relays[i].has_batch = i == 1;
        r->relays[i].batch = (struct delivery_record){.count = 100, .sample_count = 2, .opened = 3};
    }
    ledger->relays = r->relays;
    ledger->relay_count = 2;
    ledger->more = true;
    ledger->cursor = 5;
    r->answer.relay.address = (struct address){.host = "relay.example", .port = 7070};
}

static void fill(struct records *r) {
    *r = (struct records){0};
    for (size_t i = 0; i < 8; i++) {
        r->messages[i] = (struct message_record){.cursor = i + 1,
                                                 .incoming = i == MESSAGE_RECEIVED || i == 7,
                                                 .state = (enum message_state)(i < 6 ? i : i - 2),
                                                 .sequence = i,
                                                 .wall_ms = 1790000000000,
                                                 .stored_ms = i % 2 == 0 ? -1 : 12,
                                                 .acknowledged_ms = -1,
                                                 .route_count = ROUTE_HOPS,
                                                 .replica_count = 2,
                                                 .reason = i == MESSAGE_FAILED ? "refused for good" : NULL};
        snprintf(r->messages[i].contact, sizeof r->messages[i].contact, "bob");
        buf_append(&r->messages[i].text, SPAN_LITERAL("\xe2\x82\xac \" \\ \n \x1b[31m"));
    }
    r->messages[7].state = MESSAGE_RECEIVED;
    snprintf(r->contacts[0].name, sizeof r->contacts[0].name,
             "b\xc3\xb6"
             "b");
    snprintf(r->contacts[0].link, sizeof r->contacts[0].link, "sotto:x");
    r->contacts[1] = (struct contact_record){.name = "eve", .blocked = true, .outbox = UINT32_MAX};
    r->request = (struct request_record){.number = 3, .link = "sotto:y", .wall_ms = 1};
    buf_append(&r->request.text, SPAN_LITERAL("hello"));
    r->answer =
        (struct node_answer){.id = 1,
                             .op = NODE_CLIENT,
                             .status = {.waiting_for = "a directory", .epoch = 7, .relays = 9, .checkpoint.height = 3},
                             .client = {.contact_count = 2,
                                        .contacts = r->contacts,
                                        .message_count = 8,
                                        .messages = r->messages,
                                        .request_count = 1,
                                        .requests = &r->request}};
    snprintf(r->answer.client.link, sizeof r->answer.client.link, "sotto:me");
    buf_append(&r->answer.client.bytes, SPAN_LITERAL("\x00\xff"));
    fill_ledger(r);
}

static void clear(struct records *r) {
    for (size_t i = 0; i < 8; i++) {
        buf_free(&r->messages[i].text);
    }
    for (size_t i = 0; i < RECORD_TXS; i++) {
        buf_free(&r->txs[i].bytes);
    }
    buf_free(&r->answer.ledger.block);
    buf_free(&r->answer.ledger.certificate);
    buf_free(&r->request.text);
    buf_free(&r->answer.client.bytes);
}

// A request that each route takes.
static const char *body_for(const struct route *route) {
    static char tx[32 + 2 * TX_BYTES_MIN];
    snprintf(tx, sizeof tx, "{\"tx\":\"%0*d\"}", 2 * TX_BYTES_MIN, 0);
    return route->body_schema == NULL                          ? ""
           : strcmp(route->body_schema, "NewContact") == 0     ? "{\"name\":\"bob\",\"link\":\"sotto:x\"}"
           : strcmp(route->body_schema, "NewMessage") == 0     ? "{\"to\":\"bob\",\"text\":\"hi\"}"
           : strcmp(route->body_schema, "Acceptance") == 0     ? "{\"name\":\"bob\"}"
           : strcmp(route->body_schema, "NewTransaction") == 0 ? tx
           : strcmp(route->body_schema, "Passphrase") == 0     ? "{\"passphrase\":\"12345678\"}"
                                                               : NULL;
}

static void path_for(char out[static 256], const char *pattern) {
    const char *open = strchr(pattern, '{');
    const char *value = open == NULL ? ""
                        : strncmp(pattern, "/v1/txs", 7) == 0 || strncmp(open, "{key}", 5) == 0
                            ? "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
                        : strncmp(open, "{block}", 7) == 0  ? "12"
                        : strncmp(open, "{id}", 4) == 0     ? "00112233445566778899aabbccddeeff"
                        : strncmp(open, "{number}", 8) == 0 ? "3"
                                                            : "bob";
    size_t head = open == NULL ? strlen(pattern) : (size_t)(open - pattern);
    snprintf(out, 256, "%.*s%s%s", (int)head, pattern, value, open == NULL ? "" : strchr(open, '}') + 1);
}

static void every_answer_fits_its_schema(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < route_count; i++) {
        const struct route *route = &routes[i];
        struct http_answer answer = {0};
        struct api_ask ask;
        struct records records;
        char path[256];
        fill(&records);
        path_for(path, route->path);
        assert_non_null(body_for(route));
        if (route->body_schema != NULL) {
            text_fits(f, span_of_text(body_for(route)), route->body_schema);
        }
        struct http_request http = request(route->method, path, body_for(route));
        http.stream = route->stream;
        enum api_verdict verdict = api_request(f->api, &answer, &ask, &http, (struct now){0});
        assert_int_equal(verdict, route->stream ? API_STREAM : API_ASKED);
        assert_int_equal(ask.request.op, route->op);
        records.answer.op = route->op;
        if (route->answer_schema != NULL && strcmp(route->answer_schema, "Message") == 0) {
            records.answer.client.message_count = 1;
        }
        if (route->answer_schema != NULL && strcmp(route->answer_schema, "Relay") == 0) {
            records.answer.ledger.relay_count = 1;
        }
        if (route->stream) {
            api_gone(f->api, 1);
        } else {
            api_answer(f->api, &answer, &records.answer);
            assert_int_equal(answer.status, route->status);
            if (route->answer_schema == NULL) {
                assert_int_equal(answer.body.n, 0);
            } else {
                text_fits(f, buf_span(&answer.body), route->answer_schema);
            }
        }
        http_answer_clear(&answer);
        clear(&records);
    }
}

static void every_event_fits_its_schema(void **state) {
    struct fixture *f = *state;
    struct records records;
    fill(&records);
    for (size_t i = 0; i <= 8; i++) {
        struct stream_item item = {.id = 1, .kind = i < 8 ? STREAM_MESSAGE : STREAM_REQUEST};
        struct buf frame = {0};
        if (i < 8) {
            item.message = records.messages[i];
        } else {
            item.request = records.request;
        }
        assert_true(api_stream(f->api, &frame, &item));
        text_fits(f, buf_span(&frame), "Event");
        buf_free(&frame);
    }
    clear(&records);
}

static void note_fits(struct fixture *f, const struct ledger_note *note) {
    struct stream_item item = {.id = 1, .kind = STREAM_LEDGER, .note = *note};
    struct buf frame = {0};
    assert_true(api_stream(f->api, &frame, &item));
    text_fits(f, buf_span(&frame), "Event");
    buf_free(&frame);
}

static void every_note_of_the_ledger_fits_its_schema(void **state) {
    struct fixture *f = *state;
    struct ledger_note note = {.kind = LEDGER_NOTE_BLOCK, .height = 12, .time_ms = 1790000000000, .tx_count = 2};
    note_fits(f, &note);
    note.kind = LEDGER_NOTE_TX;
    for (note.tx_kind = TX_TRANSFER; note.tx_kind <= TX_EVIDENCE; note.tx_kind++) {
        note_fits(f, &note);
    }
    note.kind = LEDGER_NOTE_BATCH;
    note_fits(f, &note);
    note.kind = LEDGER_NOTE_EVENT;
    for (note.event.kind = LEDGER_SET_CHANGED; note.event.kind <= LEDGER_RELAY_GONE; note.event.kind++) {
        note_fits(f, &note);
    }
}

static void a_wrong_method_is_told_the_right_ones(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < route_count; i++) {
        struct http_answer answer = {0};
        struct api_ask ask;
        char path[256];
        path_for(path, routes[i].path);
        struct http_request http = request(HTTP_OTHER, path, "");
        assert_int_equal(api_request(f->api, &answer, &ask, &http, (struct now){0}), API_ANSWERED);
        assert_int_equal(answer.status, 405);
        const char *method = routes[i].method == HTTP_GET ? "GET" : routes[i].method == HTTP_POST ? "POST" : "DELETE";
        assert_non_null(strstr(answer.allow, method));
        http_answer_clear(&answer);
    }
}

static void every_refusal_fits_its_schema(void **state) {
    struct fixture *f = *state;
    const struct http_request wrong[] = {
        request(HTTP_GET, "/v1/none", ""),
        request(HTTP_PUT, "/v1/status", ""),
        request(HTTP_POST, "/v1/messages", "{"),
        request(HTTP_GET, "/v1/messages/zz", ""),
        request(HTTP_GET, "/v1/events", ""),
        request(HTTP_POST, "/v1/backup", "{\"passphrase\":\"short\"}"),
        request(HTTP_POST, "/v1/contacts", "{\"name\":\"a/b\",\"link\":\"x\"}"),
        request(HTTP_POST, "/v1/txs", "{\"tx\":\"00\"}"),
        request(HTTP_GET, "/v1/blocks/none", ""),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct http_answer answer = {0};
        struct api_ask ask;
        assert_int_equal(api_request(f->api, &answer, &ask, &wrong[i], (struct now){0}), API_ANSWERED);
        assert_true(answer.status >= 400);
        text_fits(f, buf_span(&answer.body), "Problem");
        http_answer_clear(&answer);
    }
    for (int err = -64; err < 0; err++) { // whatever the node says
        struct http_answer answer = {0};
        struct api_ask ask;
        struct http_request http = request(HTTP_GET, "/v1/id", "");
        assert_int_equal(api_request(f->api, &answer, &ask, &http, (struct now){0}), API_ASKED);
        struct node_answer from_node = {.id = 1, .op = NODE_CLIENT, .client = {.err = (enum err)err}};
        api_answer(f->api, &answer, &from_node);
        assert_true(answer.status >= 400);
        text_fits(f, buf_span(&answer.body), "Problem");
        http_answer_clear(&answer);
    }
}

int main(void) {
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(every_reference_resolves_and_no_schema_is_left_over),
        CASE(every_operation_is_whole),
        CASE(every_schema_is_well_formed),
        cmocka_unit_test_setup_teardown(a_relay_s_document_has_only_what_it_answers, set_up_relay, tear_down),
        CASE(every_answer_fits_its_schema),
        CASE(every_event_fits_its_schema),
        CASE(every_note_of_the_ledger_fits_its_schema),
        CASE(a_wrong_method_is_told_the_right_ones),
        CASE(every_refusal_fits_its_schema),
    };
    return cmocka_run_group_tests_name("openapi", tests, NULL, NULL);
}
