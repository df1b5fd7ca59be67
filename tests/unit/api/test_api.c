// Requests to questions, answers to JSON: the API without a socket.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "api/api.h"

struct fixture {
    struct api *api;
    struct metrics *metrics;
    struct http_answer answer;
    struct api_ask ask;
};

static int set_up_roles(void **state, bool user) {
    static const uint8_t seed[RNG_SEED_BYTES] = {7};
    struct fixture *f = calloc(1, sizeof(*f));
    struct rng rng;
    rng_init(&rng, seed);
    f->metrics = metrics_new();
    struct api_config config = {.metrics = f->metrics, .version = "1.2.3", .roles = "relay", .user = user};
    f->api = api_new(&config, &rng);
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
    http_answer_clear(&f->answer);
    api_free(f->api);
    metrics_free(f->metrics);
    free(f);
    return 0;
}

static enum api_verdict call(struct fixture *f, enum http_door door, enum http_method method, const char *path,
                             const char *body) {
    struct http_request http = {.id = 9, .door = door, .method = method, .path = span_of_text(path)};
    const char *query = strchr(path, '?');
    if (query != NULL) {
        http.path.n = (size_t)(query - path);
        http.query = span_of_text(query + 1);
    }
    http.body = span_of_text(body);
    return api_request(f->api, &f->answer, &f->ask, &http, (struct now){0});
}

static json_t *body_of(struct fixture *f) {
    json_t *json = json_loadb((const char *)f->answer.body.p, f->answer.body.n, 0, NULL);
    assert_non_null(json);
    return json;
}

static bool body_has(struct fixture *f, const char *text) {
    buf_append(&f->answer.body, SPAN_LITERAL("\0"));
    return strstr((const char *)f->answer.body.p, text) != NULL;
}

static void a_text_to_send_becomes_a_question_to_the_client(void **state) {
    struct fixture *f = *state;
    assert_int_equal(call(f, HTTP_API, HTTP_POST, "/v1/messages", "{\"to\":\"bob\",\"text\":\"hi\"}"), API_ASKED);
    assert_int_equal(f->ask.request.op, NODE_CLIENT);
    assert_int_equal(f->ask.request.client.op, CLIENT_SEND);
    assert_int_equal(f->ask.request.client.id, 9);
    assert_string_equal(f->ask.request.client.name, "bob");
    assert_true(span_equal(f->ask.request.client.text, SPAN_LITERAL("hi")));
}

static void a_sent_message_answers_202_with_its_record(void **state) {
    struct fixture *f = *state;
    call(f, HTTP_API, HTTP_POST, "/v1/messages", "{\"to\":\"bob\",\"text\":\"hi\"}");
    struct message_record record = {.cursor = 4, .state = MESSAGE_QUEUED, .stored_ms = -1, .acknowledged_ms = 12};
    struct node_answer answer = {.id = 9, .op = NODE_CLIENT, .client = {.message_count = 1, .messages = &record}};
    api_answer(f->api, &f->answer, &answer);
    assert_int_equal(f->answer.status, 202);
    json_t *json = body_of(f);
    assert_string_equal(json_string_value(json_object_get(json, "state")), "queued");
    assert_true(json_is_null(json_object_get(json, "stored_ms")));
    assert_int_equal(json_integer_value(json_object_get(json, "acknowledged_ms")), 12);
    json_decref(json);
}

static void every_bad_body_is_refused_with_what_is_wanted(void **state) {
    struct fixture *f = *state;
    static const char *const bodies[] = {"",
                                         "[]",
                                         "{",
                                         "{\"to\":1,\"text\":\"x\"}",
                                         "{\"to\":\"\",\"text\":\"x\"}",
                                         "{\"to\":\"bob\"}",
                                         "{\"to\":\"bob\",\"text\":\"\"}",
                                         "{\"to\":\"b\\u0000b\",\"text\":\"x\"}",
                                         "{\"to\":\"bob\",\"text\":\"x\",\"text\":\"y\"}"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        assert_int_equal(call(f, HTTP_API, HTTP_POST, "/v1/messages", bodies[i]), API_ANSWERED);
        assert_int_equal(f->answer.status, 400);
        json_t *json = body_of(f);
        assert_true(json_string_length(json_object_get(json, "detail")) > 0);
        json_decref(json);
    }
}

static void an_unknown_path_is_404_and_a_wrong_method_405(void **state) {
    struct fixture *f = *state;
    call(f, HTTP_API, HTTP_GET, "/v1/nothing", "");
    assert_int_equal(f->answer.status, 404);
    call(f, HTTP_API, HTTP_PUT, "/v1/status", "");
    assert_int_equal(f->answer.status, 405);
    assert_string_equal(f->answer.allow, "GET, HEAD");
    call(f, HTTP_API, HTTP_PUT, "/v1/contacts", "");
    assert_string_equal(f->answer.allow, "GET, HEAD, POST");
}

static void a_path_parameter_is_taken_and_bounded(void **state) {
    struct fixture *f = *state;
    assert_int_equal(call(f, HTTP_API, HTTP_POST, "/v1/contacts/eve/block", ""), API_ASKED);
    assert_int_equal(f->ask.request.client.op, CLIENT_CONTACT_BLOCK);
    assert_string_equal(f->ask.request.client.name, "eve");
    char path[400] = "/v1/contacts/";
    memset(path + 13, 'x', 300);
    call(f, HTTP_API, HTTP_DELETE, path, "");
    assert_int_equal(f->answer.status, 404);
    call(f, HTTP_API, HTTP_DELETE, "/v1/requests/12x", "");
    assert_int_equal(f->answer.status, 400);
}

static void list_limits_are_checked(void **state) {
    struct fixture *f = *state;
    assert_int_equal(call(f, HTTP_API, HTTP_GET, "/v1/messages?after=5&limit=7", ""), API_ASKED);
    assert_int_equal(f->ask.request.client.cursor, 5);
    assert_int_equal(f->ask.request.client.limit, 7);
    static const char *const queries[] = {"/v1/messages?limit=0", "/v1/messages?limit=201", "/v1/messages?after=-1",
                                          "/v1/messages?after=99999999999999999999"};
    for (size_t i = 0; i < 4; i++) {
        call(f, HTTP_API, HTTP_GET, queries[i], "");
        assert_int_equal(f->answer.status, 400);
    }
}

static void an_error_of_the_client_keeps_its_reason(void **state) {
    struct fixture *f = *state;
    call(f, HTTP_API, HTTP_GET, "/v1/id", "");
    struct node_answer answer = {
        .id = 9, .op = NODE_CLIENT, .client = {.err = ERR_NOT_FOUND, .reason = "no such contact"}};
    api_answer(f->api, &f->answer, &answer);
    assert_int_equal(f->answer.status, 404);
    assert_true(body_has(f, "no such contact"));
}

static void a_node_that_waits_is_not_ready_and_says_for_what(void **state) {
    struct fixture *f = *state;
    assert_int_equal(call(f, HTTP_HEALTH, HTTP_GET, "/readyz", ""), API_ASKED);
    struct node_answer answer = {.id = 9, .op = NODE_STATUS, .status = {.waiting_for = "a directory"}};
    api_answer(f->api, &f->answer, &answer);
    assert_int_equal(f->answer.status, 503);
    assert_true(body_has(f, "a directory"));
}

static void what_a_node_has_verified_is_what_others_can_configure(void **state) {
    struct fixture *f = *state;
    assert_int_equal(call(f, HTTP_API, HTTP_GET, "/v1/status", ""), API_ASKED);
    struct node_answer answer = {.id = 9, .op = NODE_STATUS, .status = {.ready = true}};
    answer.status.checkpoint.height = 48211;
    memset(answer.status.checkpoint.id.bytes, 0x5d, 32);
    api_answer(f->api, &f->answer, &answer);
    assert_true(body_has(f, "\"checkpoint\":\"48211:5d5d5d"));
}

static void a_live_node_is_live_whatever_it_waits_for(void **state) {
    struct fixture *f = *state;
    assert_int_equal(call(f, HTTP_HEALTH, HTTP_GET, "/livez", ""), API_ANSWERED);
    assert_int_equal(f->answer.status, 200);
}

static void metrics_have_help_type_and_a_final_newline(void **state) {
    struct fixture *f = *state;
    metric_set(f->metrics, METRIC_READY, 1);
    call(f, HTTP_HEALTH, HTTP_GET, "/metrics", "");
    assert_int_equal(f->answer.status, 200);
    assert_int_equal(f->answer.body.p[f->answer.body.n - 1], '\n');
    assert_true(body_has(f, "# TYPE sotto_ready gauge\nsotto_ready 1\n"));
    assert_true(body_has(f, "sotto_build_info{version=\"1.2.3\",roles=\"relay\"} 1\n"));
}

static void the_openapi_document_lists_every_route(void **state) {
    struct fixture *f = *state;
    call(f, HTTP_API, HTTP_GET, "/v1/openapi.json", "");
    json_t *json = body_of(f);
    assert_string_equal(json_string_value(json_object_get(json, "openapi")), "3.1.0");
    json_t *paths = json_object_get(json, "paths");
    assert_int_equal(json_object_size(paths), 12);
    assert_non_null(json_object_get(json_object_get(paths, "/v1/contacts/{name}"), "delete"));
    json_decref(json);
}

static void a_relay_has_no_routes_of_a_user(void **state) {
    struct fixture *f = *state;
    call(f, HTTP_API, HTTP_GET, "/v1/id", "");
    assert_int_equal(f->answer.status, 404);
    assert_int_equal(call(f, HTTP_API, HTTP_GET, "/v1/status", ""), API_ASKED);
}

static void a_request_that_has_gone_is_forgotten(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 10000; i++) { // more than may wait at once
        assert_int_equal(call(f, HTTP_API, HTTP_GET, "/v1/id", ""), API_ASKED);
        api_gone(f->api, 9);
    }
}

// Memory that jansson gives back stays readable for this test.
static void *kept[4096];
static size_t kept_count;

static void keep(void *p) {
    assert_true(kept_count < sizeof(kept) / sizeof(kept[0]));
    kept[kept_count++] = p;
}

static void a_text_is_wiped_once_its_request_was_taken(void **state) {
    struct fixture *f = *state;
    json_set_alloc_funcs(malloc, keep);
    call(f, HTTP_API, HTTP_POST, "/v1/messages", "{\"to\":\"bob\",\"text\":\"for bob alone\"}");
    struct span text = f->ask.request.client.text;
    assert_true(span_equal(text, SPAN_LITERAL("for bob alone")));
    api_forget(f->api);
    for (size_t i = 0; i < text.n; i++) {
        assert_int_equal(text.p[i], 0);
    }
    json_set_alloc_funcs(malloc, free);
    while (kept_count > 0) {
        free(kept[--kept_count]);
    }
}

#define WITH_USER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_USER(a_text_to_send_becomes_a_question_to_the_client),
        WITH_USER(a_sent_message_answers_202_with_its_record),
        WITH_USER(every_bad_body_is_refused_with_what_is_wanted),
        WITH_USER(an_unknown_path_is_404_and_a_wrong_method_405),
        WITH_USER(a_path_parameter_is_taken_and_bounded),
        WITH_USER(list_limits_are_checked),
        WITH_USER(an_error_of_the_client_keeps_its_reason),
        WITH_USER(a_node_that_waits_is_not_ready_and_says_for_what),
        WITH_USER(what_a_node_has_verified_is_what_others_can_configure),
        WITH_USER(a_live_node_is_live_whatever_it_waits_for),
        WITH_USER(metrics_have_help_type_and_a_final_newline),
        WITH_USER(the_openapi_document_lists_every_route),
        cmocka_unit_test_setup_teardown(a_relay_has_no_routes_of_a_user, set_up_relay, tear_down),
        WITH_USER(a_request_that_has_gone_is_forgotten),
        WITH_USER(a_text_is_wiped_once_its_request_was_taken),
    };
    return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
