// Inside api/: routes, and what turns answers into JSON.
#ifndef SOTTO_API_API_INTERNAL_H
#define SOTTO_API_API_INTERNAL_H

#include <jansson.h>

#include "api/api.h"

struct route;

// One `{parameter}` of a path at the most.
#define ROUTE_PARAMETER_MAX 128

struct route_call {
    const struct http_request *http;
    char parameter[ROUTE_PARAMETER_MAX + 1]; // "" when the path has none
    json_t *body;                            // a JSON object, or NULL when the route takes none
    struct now now;
};

// Fills in what the node is asked. Returns NULL, or the text of a 400.
typedef const char *route_ask(struct api_ask *ask, const struct route_call *call);
// Makes the body of a successful answer; NULL: 204.
typedef json_t *route_format(const struct node_answer *answer);

struct route {
    enum http_method method;
    const char *path; // "/v1/contacts/{name}"
    const char *summary;
    const char *body_schema;   // name under components/schemas, or NULL
    const char *answer_schema; // likewise; NULL: no content
    const char *parameters;    // query parameters it knows, comma separated, or NULL
    unsigned status;           // of success
    bool user;                 // only with the user role
    bool stream;
    enum node_op op;
    route_ask *ask;
    route_format *format;
};

extern const struct route routes[];
extern const size_t route_count;

// The OpenAPI 3.1 document, made of the routes and the schemas. Owned by the caller.
json_t *openapi_document(const char *version, bool user);
json_t *schemas_document(void);               // {name: JSON Schema}
json_t *schema_reference(const char *schema); // {"$ref": where the document has it}

json_t *format_message(const struct message_record *message);
json_t *format_request(const struct request_record *request);
json_t *format_status(const struct node_status *status);

// Prometheus text, format version 0.0.4.
void render_metrics(struct buf *out, const struct api_config *config, const struct process_reading *process);

#endif
