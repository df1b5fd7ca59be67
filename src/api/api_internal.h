// Inside api/: routes, and what turns answers into JSON.
#ifndef SOTTO_API_API_INTERNAL_H
#define SOTTO_API_API_INTERNAL_H

#include <jansson.h>

#include "api/api.h"

struct route;

// One `{parameter}` of a path at the most.
#define ROUTE_PARAMETER_MAX 128

// What a node must be for a route or a schema to exist there, bits; 0: anything.
enum part { OF_USER = 1, OF_RELAY = 2, OF_LEDGER = 4 };

struct route_call {
    const struct http_request *http;
    char parameter[ROUTE_PARAMETER_MAX + 1]; // "" when the path has none
    json_t *body;                            // a JSON object, or NULL when the route takes none
    struct buf *bytes;                       // for what a question points to
    struct now now;
};

// Fills in what the node is asked. Returns NULL, or the text of a 400.
typedef const char *route_ask(struct api_ask *ask, const struct route_call *call);
// Makes the body of a successful answer; NULL: 204.
typedef json_t *route_format(const struct node_answer *answer);
// The status of a successful answer, where it depends on it.
typedef unsigned route_status(const struct node_answer *answer);

struct route {
    enum http_method method;
    const char *path; // "/v1/contacts/{name}"
    const char *summary;
    const char *body_schema;   // name under components/schemas, or NULL
    const char *answer_schema; // likewise; NULL: no content
    const char *parameters;    // query parameters it knows, as members of a schema (schemas.c), or NULL
    unsigned status;           // of success
    unsigned other_status;     // of another success, which status_of tells apart; 0: none
    unsigned of;               // bits of enum part
    bool stream;
    enum node_op op;
    route_ask *ask;
    route_format *format;
    route_status *status_of; // NULL: always `status`
};

extern const struct route routes[];
extern const size_t route_count;
bool route_exists(const struct route *route, unsigned parts); // on a node that has these

// The OpenAPI 3.1 document, made of the routes and the schemas. Owned by the caller.
json_t *openapi_document(const char *version, unsigned parts);

// schemas.c
json_t *schemas_document(void);               // {name: JSON Schema}
json_t *schema_reference(const char *schema); // {"$ref": where the document has it}

// The next of some members, as schemas.c writes them: name, the JSON Schema of its type, whether it may be missing.
struct schema_member {
    char name[32];
    bool optional;
    json_t *type; // the caller's
};

bool schema_next_member(const char **members, struct schema_member *member); // false: there are no more

// query.c: what stands in paths and queries.
bool number_of(uint64_t *out, const char *text, size_t n); // decimal, at most 18 digits
// `name=value` of a query. False: it is there, but no number; *out stays if it is missing.
bool query_number(uint64_t *out, struct span query, const char *name);
bool query_text(struct span *out, struct span query, const char *name); // false: it is missing

// ledger_routes.c
route_ask ask_chain, ask_block, ask_tx, ask_submit, ask_account, ask_account_txs, ask_validators, ask_ledger_relays,
    ask_ledger_relay, ask_mempool;
route_format chain_of, consensus_of, block_of, block_txs_of, tx_of, account_of, account_txs_of, validators_of,
    ledger_relays_of, ledger_relay_of, mempool_of;
route_status submitted_status;
// The mempool's refusal of a transaction, as a problem with its verdict. False: the answer is none.
bool refuse_by_mempool(struct http_answer *out, const struct node_answer *answer);

// format.c
json_t *format_hex(const uint8_t *bytes, size_t n);
json_t *format_number(uint64_t number);
json_t *format_message(const struct message_record *message);
json_t *format_request(const struct request_record *request);
json_t *format_status(const struct node_status *status);
json_t *format_node_relay(const struct node_relay *relay);

// format_ledger.c
json_t *format_amount(uint64_t grains);
json_t *format_chain(const struct ledger_chain_record *chain);
json_t *format_consensus(const struct ledger_chain_record *chain);
json_t *format_block(const struct ledger_answer *answer);
json_t *format_block_txs(const struct ledger_answer *answer);
json_t *format_tx(const struct ledger_tx_record *record);
json_t *format_validators(const struct validator_set *set);
json_t *format_ledger_relay(const struct ledger_relay_record *record);
json_t *format_note(const struct ledger_note *note);

// Prometheus text, format version 0.0.4.
void render_metrics(struct buf *out, const struct api_config *config, const struct process_reading *process);

#endif
