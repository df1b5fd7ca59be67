// Every route of the API, in one table: what it takes, what the node is asked, how the answer reads.
#include <string.h>

#include "api/api_internal.h"

#define BACKUP_PASSPHRASE_MIN 8

// Copies a string member of the body. NULL, or what is wrong.
static bool take_text(char *out, size_t out_max, const json_t *body, const char *member) {
    const json_t *value = json_object_get(body, member);
    size_t n = json_string_length(value);
    if (!json_is_string(value) || n == 0 || n > out_max || strlen(json_string_value(value)) != n) {
        return false;
    }
    memcpy(out, json_string_value(value), n + 1);
    return true;
}

// A name that a path can name again: a slash would end it there.
static const char *take_new_name(struct api_ask *ask, const json_t *body) {
    char *name = ask->request.client.name;
    if (!take_text(name, CONTACT_NAME_MAX, body, "name") || strchr(name, '/') != NULL) {
        return "name: a string of 1 to 64 bytes without a slash is wanted";
    }
    return NULL;
}

static const char *take_name(struct api_ask *ask, const char *text) {
    struct client_request *client = &ask->request.client;
    size_t n = strlen(text);
    if (n == 0 || n > CONTACT_NAME_MAX) {
        return "name: 1 to 64 bytes are wanted";
    }
    memcpy(client->name, text, n + 1);
    return NULL;
}

// All is said by the route's op.
static const char *ask_nothing(struct api_ask *ask, const struct route_call *call) {
    (void)ask;
    (void)call;
    return NULL;
}

static const char *ask_id(struct api_ask *ask, const struct route_call *call) {
    (void)call;
    ask->request.client.op = CLIENT_ID;
    return NULL;
}

static const char *ask_contacts(struct api_ask *ask, const struct route_call *call) {
    (void)call;
    ask->request.client.op = CLIENT_CONTACTS;
    return NULL;
}

static const char *ask_contact_add(struct api_ask *ask, const struct route_call *call) {
    struct client_request *client = &ask->request.client;
    client->op = CLIENT_CONTACT_ADD;
    const char *wrong = take_new_name(ask, call->body);
    if (wrong != NULL) {
        return wrong;
    }
    if (!take_text(client->link, LINK_TEXT_MAX, call->body, "link")) {
        return "link: the contact's link, a string, is wanted";
    }
    return NULL;
}

static const char *ask_contact_remove(struct api_ask *ask, const struct route_call *call) {
    ask->request.client.op = CLIENT_CONTACT_REMOVE;
    return take_name(ask, call->parameter);
}

static const char *ask_contact_block(struct api_ask *ask, const struct route_call *call) {
    ask->request.client.op = CLIENT_CONTACT_BLOCK;
    return take_name(ask, call->parameter);
}

static const char *ask_send(struct api_ask *ask, const struct route_call *call) {
    struct client_request *client = &ask->request.client;
    client->op = CLIENT_SEND;
    if (!take_text(client->name, CONTACT_NAME_MAX, call->body, "to")) {
        return "to: the name of a contact, a string of 1 to 64 bytes, is wanted";
    }
    const json_t *text = json_object_get(call->body, "text");
    if (!json_is_string(text) || json_string_length(text) == 0 || json_string_length(text) > TEXT_BYTES_MAX) {
        return "text: a string of 1 to 1024 bytes is wanted";
    }
    client->text = span_of(json_string_value(text), json_string_length(text));
    return NULL;
}

static const char *ask_message(struct api_ask *ask, const struct route_call *call) {
    struct client_request *client = &ask->request.client;
    client->op = CLIENT_MESSAGE;
    if (hex_decode(client->message.bytes, sizeof(client->message.bytes), call->parameter) != OK) {
        return "id: 32 hexadecimal digits are wanted";
    }
    return NULL;
}

static const char *ask_list(struct api_ask *ask, const struct route_call *call, enum client_op op) {
    uint64_t after = 0;
    uint64_t limit = LIST_MAX;
    if (!query_number(&after, call->http->query, "after")) {
        return "after: a cursor, a number, is wanted";
    }
    if (!query_number(&limit, call->http->query, "limit") || limit == 0 || limit > LIST_MAX) {
        return "limit: a number from 1 to 200 is wanted";
    }
    ask->request.client.op = op;
    ask->request.client.cursor = after;
    ask->request.client.limit = (uint32_t)limit;
    return NULL;
}

static const char *ask_messages(struct api_ask *ask, const struct route_call *call) {
    return ask_list(ask, call, CLIENT_MESSAGES);
}

static const char *ask_requests(struct api_ask *ask, const struct route_call *call) {
    return ask_list(ask, call, CLIENT_REQUESTS);
}

static const char *take_number(struct api_ask *ask, const struct route_call *call) {
    return number_of(&ask->request.client.cursor, call->parameter, strlen(call->parameter))
               ? NULL
               : "number: a request's number is wanted";
}

static const char *ask_accept(struct api_ask *ask, const struct route_call *call) {
    ask->request.client.op = CLIENT_REQUEST_ACCEPT;
    const char *wrong = take_new_name(ask, call->body);
    return wrong != NULL ? wrong : take_number(ask, call);
}

static const char *ask_refuse(struct api_ask *ask, const struct route_call *call) {
    ask->request.client.op = CLIENT_REQUEST_REFUSE;
    return take_number(ask, call);
}

static const char *ask_backup(struct api_ask *ask, const struct route_call *call) {
    const json_t *passphrase = json_object_get(call->body, "passphrase");
    if (!json_is_string(passphrase) || json_string_length(passphrase) < BACKUP_PASSPHRASE_MIN) {
        return "passphrase: a string of at least 8 bytes is wanted";
    }
    ask->request.client.op = CLIENT_BACKUP;
    ask->request.client.text = span_of(json_string_value(passphrase), json_string_length(passphrase));
    return NULL;
}

static const char *ask_watch(struct api_ask *ask, const struct route_call *call) {
    (void)call;
    ask->request.client.op = CLIENT_WATCH;
    ask->request.ledger.op = LEDGER_WATCH;
    return NULL;
}

static json_t *status_of(const struct node_answer *answer) {
    return format_status(&answer->status);
}

static json_t *relay_of(const struct node_answer *answer) {
    return format_node_relay(&answer->relay);
}

static json_t *link_of(const struct node_answer *answer) {
    return json_pack("{ss}", "link", answer->client.link);
}

static json_t *contacts_of(const struct node_answer *answer) {
    json_t *array = json_array();
    for (size_t i = 0; i < answer->client.contact_count; i++) {
        const struct contact_record *contact = &answer->client.contacts[i];
        json_array_append_new(array, json_pack("{ss ss sb sb sI}", "name", contact->name, "link", contact->link,
                                               "blocked", contact->blocked, "established", contact->established,
                                               "outbox", (json_int_t)contact->outbox));
    }
    return json_pack("{so}", "contacts", array);
}

static json_t *message_of(const struct node_answer *answer) {
    return answer->client.message_count == 1 ? format_message(&answer->client.messages[0]) : NULL;
}

static json_t *messages_of(const struct node_answer *answer) {
    json_t *array = json_array();
    for (size_t i = 0; i < answer->client.message_count; i++) {
        json_array_append_new(array, format_message(&answer->client.messages[i]));
    }
    return json_pack("{so}", "messages", array);
}

static json_t *requests_of(const struct node_answer *answer) {
    json_t *array = json_array();
    for (size_t i = 0; i < answer->client.request_count; i++) {
        json_array_append_new(array, format_request(&answer->client.requests[i]));
    }
    return json_pack("{so}", "requests", array);
}

static json_t *backup_of(const struct node_answer *answer) {
    return json_pack("{so}", "backup", format_hex(answer->client.bytes.p, answer->client.bytes.n));
}

static json_t *nothing(const struct node_answer *answer) {
    (void)answer;
    return NULL;
}

#define USER .of = OF_USER, .op = NODE_CLIENT
#define LEDGER .of = OF_LEDGER, .op = NODE_LEDGER
#define PAGE "cursor=integer limit=integer"

const struct route routes[] = {
    {HTTP_GET, "/v1/status", "Whether the node can do its work, and what it waits for", NULL, "Status", .status = 200,
     .op = NODE_STATUS, .ask = ask_nothing, .format = status_of},
    {HTTP_GET, "/v1/id", "This account's link, to give to others", NULL, "Link", .status = 200, USER, .ask = ask_id,
     .format = link_of},
    {HTTP_GET, "/v1/contacts", "All contacts", NULL, "Contacts", .status = 200, USER, .ask = ask_contacts,
     .format = contacts_of},
    {HTTP_POST, "/v1/contacts", "Adds a contact by link", "NewContact", NULL, .status = 204, USER,
     .ask = ask_contact_add, .format = nothing},
    {HTTP_DELETE, "/v1/contacts/{name}", "Removes a contact", NULL, NULL, .status = 204, USER,
     .ask = ask_contact_remove, .format = nothing},
    {HTTP_POST, "/v1/contacts/{name}/block", "Drops what this contact sends, unseen", NULL, NULL, .status = 204, USER,
     .ask = ask_contact_block, .format = nothing},
    {HTTP_POST, "/v1/messages", "Sends a text; it is durable in the outbox when this answers", "NewMessage", "Message",
     .status = 202, USER, .ask = ask_send, .format = message_of},
    {HTTP_GET, "/v1/messages", "Messages of all conversations, oldest first", NULL, "Messages",
     .parameters = "after=integer limit=integer", .status = 200, USER, .ask = ask_messages, .format = messages_of},
    {HTTP_GET, "/v1/messages/{id}", "One message", NULL, "Message", .status = 200, USER, .ask = ask_message,
     .format = message_of},
    {HTTP_GET, "/v1/requests", "First messages of strangers", NULL, "Requests",
     .parameters = "after=integer limit=integer", .status = 200, USER, .ask = ask_requests, .format = requests_of},
    {HTTP_POST, "/v1/requests/{number}/accept", "Makes a stranger a contact", "Acceptance", NULL, .status = 204, USER,
     .ask = ask_accept, .format = nothing},
    {HTTP_DELETE, "/v1/requests/{number}", "Refuses a stranger's message", NULL, NULL, .status = 204, USER,
     .ask = ask_refuse, .format = nothing},
    {HTTP_POST, "/v1/backup", "The account and its contacts, sealed with a passphrase", "Passphrase", "Backup",
     .status = 200, USER, .ask = ask_backup, .format = backup_of},
    {HTTP_GET, "/v1/relay", "What this relay is registered with: its id, address and onion keys", NULL, "Registration",
     .status = 200, .of = OF_RELAY, .op = NODE_RELAY, .ask = ask_nothing, .format = relay_of},
    {HTTP_GET, "/v1/chain", "The network's rules, and the head of the chain, which is final", NULL, "Chain",
     .status = 200, LEDGER, .ask = ask_chain, .format = chain_of},
    {HTTP_GET, "/v1/consensus", "What this node is deciding, and whether it takes part", NULL, "Consensus",
     .status = 200, LEDGER, .ask = ask_chain, .format = consensus_of},
    {HTTP_GET, "/v1/blocks/{block}", "A block by height or id, with its certificate", NULL, "Block", .status = 200,
     LEDGER, .ask = ask_block, .format = block_of},
    {HTTP_GET, "/v1/blocks/{block}/txs", "The transactions of a block", NULL, "BlockTransactions", .status = 200,
     LEDGER, .ask = ask_block, .format = block_txs_of},
    {HTTP_POST, "/v1/txs", "Submits a transaction. 202: it waits, which promises nothing; 200: it is final",
     "NewTransaction", "Transaction", .parameters = "wait=(final)", .status = 202, .other_status = 200, LEDGER,
     .ask = ask_submit, .format = tx_of, .status_of = submitted_status},
    {HTTP_GET, "/v1/txs/{id}", "A transaction, where it stands, and the proof that its block has it", NULL,
     "Transaction", .status = 200, LEDGER, .ask = ask_tx, .format = tx_of},
    {HTTP_GET, "/v1/accounts/{key}", "An account's balance and nonces", NULL, "Account", .status = 200, LEDGER,
     .ask = ask_account, .format = account_of},
    {HTTP_GET, "/v1/accounts/{key}/txs", "Transactions of an account, newest first", NULL, "Transactions",
     .parameters = PAGE, .status = 200, LEDGER, .ask = ask_account_txs, .format = account_txs_of},
    {HTTP_GET, "/v1/validators", "Who votes on the next block", NULL, "Validators", .status = 200, LEDGER,
     .ask = ask_validators, .format = validators_of},
    {HTTP_GET, "/v1/relays", "The registered relays", NULL, "Relays", .parameters = PAGE, .status = 200, LEDGER,
     .ask = ask_ledger_relays, .format = ledger_relays_of},
    {HTTP_GET, "/v1/relays/{key}", "A relay: its stake, what it has delivered and was paid", NULL, "Relay",
     .status = 200, LEDGER, .ask = ask_ledger_relay, .format = ledger_relay_of},
    {HTTP_GET, "/v1/mempool", "Transactions that wait for a block", NULL, "Mempool", .parameters = "limit=integer",
     .status = 200, LEDGER, .ask = ask_mempool, .format = mempool_of},
    {HTTP_GET, "/v1/events", "WebSocket: what changes for the user, and what blocks bring", NULL, "Event",
     .status = 101, .stream = true, .of = OF_USER | OF_LEDGER, .op = NODE_WATCH, .ask = ask_watch, .format = nothing},
};

const size_t route_count = sizeof(routes) / sizeof(routes[0]);

bool route_exists(const struct route *route, unsigned parts) {
    return route->of == 0 || (route->of & parts) != 0;
}
