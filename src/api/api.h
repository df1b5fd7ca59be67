// The API of a node: HTTP requests to questions for the node, the node's answers to JSON, health and metrics. Pure.
// docs/spec/api.md tells what there is; /v1/openapi.json says it to machines, from the same table.
#ifndef SOTTO_API_API_H
#define SOTTO_API_API_H

#include "api/http.h"
#include "base/metric.h"
#include "base/rng.h"

struct api_config {
    const struct metrics *metrics; // outlives the api
    const char *version;           // static
    const char *roles;             // for build_info, as "relay" or "bootstrap,relay"; outlives the api
    bool user;                     // whether the routes of the user role exist,
    bool relay;                    // of a relay,
    bool ledger;                   // of a node that follows the ledger or votes on it
};

struct api *api_new(const struct api_config *config, struct rng *rng);
void api_free(struct api *api);

#endif
