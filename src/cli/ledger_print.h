// The ledger's lists and records for people.
#ifndef SOTTO_CLI_LEDGER_PRINT_H
#define SOTTO_CLI_LEDGER_PRINT_H

#include "cli/ledger_node.h"

void ledger_print_fields(const json_t *json);     // any record
void ledger_print_txs(const json_t *json);        // {"txs": [...]}, a line each
void ledger_print_validators(const json_t *json); // {"power", "validators": [...]}
void ledger_print_relays(const json_t *json);     // {"relays": [...]}

#endif
