// The node's records as JSON.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_internal.h"

json_t *format_hex(const uint8_t *bytes, size_t n) {
    char *text = mem_new(2 * n + 1, 1);
    hex_encode(text, span_of(bytes, n));
    json_t *json = json_string(text);
    free(text);
    return json;
}

// JSON's numbers end at 2^63 - 1 here. No height, nonce or amount gets there but in what somebody claims.
json_t *format_number(uint64_t number) {
    return json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number);
}

static const char *state_text(enum message_state state) {
    switch (state) {
    case MESSAGE_QUEUED:
        return "queued";
    case MESSAGE_STORED:
        return "stored";
    case MESSAGE_ACKNOWLEDGED:
        return "acknowledged";
    case MESSAGE_EXPIRED:
        return "expired";
    case MESSAGE_RECEIVED:
        return "received";
    case MESSAGE_FAILED:
        return "failed";
    }
    return "unknown";
}

static json_t *relays(const struct relay_id *ids, size_t count) {
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(array, format_hex(ids[i].bytes, sizeof(ids[i].bytes)));
    }
    return array;
}

static json_t *milliseconds_or_null(int64_t ms) {
    return ms < 0 ? json_null() : json_integer(ms);
}

json_t *format_message(const struct message_record *message) {
    json_t *object = json_object();
    json_object_set_new(object, "id", format_hex(message->id.bytes, sizeof(message->id.bytes)));
    json_object_set_new(object, "cursor", json_integer((json_int_t)message->cursor));
    json_object_set_new(object, "contact", json_string(message->contact));
    json_object_set_new(object, "incoming", json_boolean(message->incoming));
    json_object_set_new(object, "state", json_string(state_text(message->state)));
    json_object_set_new(object, "sequence", json_integer((json_int_t)message->sequence));
    json_object_set_new(object, "wall_ms", json_integer((json_int_t)message->wall_ms));
    json_object_set_new(object, "mono_ms", json_integer((json_int_t)message->mono_ms));
    json_object_set_new(object, "text", json_stringn((const char *)message->text.p, message->text.n));
    if (!message->incoming) {
        json_object_set_new(object, "stored_ms", milliseconds_or_null(message->stored_ms));
        json_object_set_new(object, "acknowledged_ms", milliseconds_or_null(message->acknowledged_ms));
        json_object_set_new(object, "hops", relays(message->route, message->route_count));
        json_object_set_new(object, "replicas", relays(message->replicas, message->replica_count));
    }
    if (message->reason != NULL) {
        json_object_set_new(object, "reason", json_string(message->reason));
    }
    return object;
}

json_t *format_request(const struct request_record *request) {
    return json_pack("{sI ss sI so}", "number", (json_int_t)request->number, "link", request->link, "wall_ms",
                     (json_int_t)request->wall_ms, "text",
                     json_stringn((const char *)request->text.p, request->text.n));
}

static json_t *checkpoint(const struct checkpoint *checkpoint) {
    char id[2 * sizeof(checkpoint->id.bytes) + 1];
    hex_encode(id, SPAN_OF(checkpoint->id.bytes));
    return json_sprintf("%" PRIu64 ":%s", checkpoint->height, id);
}

json_t *format_status(const struct node_status *status) {
    json_t *object =
        json_pack("{sb sI sI sI sI sI}", "ready", status->ready, "epoch", (json_int_t)status->epoch, "directory_epoch",
                  (json_int_t)status->directory_epoch, "relays", (json_int_t)status->relays, "relay_links",
                  (json_int_t)status->relay_links, "client_links", (json_int_t)status->client_links);
    if (status->checkpoint.height > 0) {
        json_object_set_new(object, "checkpoint", checkpoint(&status->checkpoint));
    }
    if (status->waiting_for != NULL) {
        json_object_set_new(object, "waiting_for", json_string(status->waiting_for));
    }
    return object;
}
