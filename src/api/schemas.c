// The schemas of the OpenAPI document, a line for each, read by the functions below it.
//
//   member        name=type, those that may be missing with a question mark before the name
//   type          integer boolean string | a schema's name | [type] a list | (a,b) one of these texts
//                 string:8-64 with bounds of its length, the upper one may be missing | integer? may be null
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_internal.h"
#include "base/assert.h"

#define SCHEMA_TYPE_MAX 160

struct schema {
    const char *name;
    const char *members;
};

// What a transaction says: missing only where its block is not held any more.
#define TX_CONTENT                                                                                            \
    "?kind=string ?sender=string ?nonce=integer ?fee=Amount ?bytes=string ?transfer=Transfer ?stake=Stake "   \
    "?unstake=Unstake ?register_relay=RegisterRelay ?update_relay=UpdateRelay ?validator_vote=ValidatorVote " \
    "?delivery_batch=DeliveryBatch ?opening=Opening ?evidence=Evidence"

static const struct schema schemas[] = {
    {"Status", "ready=boolean ?waiting_for=string epoch=integer directory_epoch=integer relays=integer "
               "relay_links=integer client_links=integer ?checkpoint=string"},
    {"Link", "link=string"},
    {"Contact", "name=string link=string blocked=boolean established=boolean outbox=integer"},
    {"Contacts", "contacts=[Contact]"},
    {"NewContact", "name=string:1-64 link=string"},
    {"NewMessage", "to=string text=string:1-1024"},
    {"Message", "id=string cursor=integer contact=string incoming=boolean "
                "state=(queued,stored,acknowledged,expired,received,failed) sequence=integer wall_ms=integer "
                "?mono_ms=integer text=string ?stored_ms=integer? ?acknowledged_ms=integer? ?hops=[string] "
                "?replicas=[string] ?reason=string"},
    {"Messages", "messages=[Message]"},
    {"Request", "number=integer link=string wall_ms=integer text=string"},
    {"Requests", "requests=[Request]"},
    {"Acceptance", "name=string"},
    {"Passphrase", "passphrase=string:8-"},
    {"Backup", "backup=string"},
    {"Registration", "id=string address=string first_epoch=integer onion_keys=[string]"},
    {"Amount", "grains=integer text=string"},
    {"Waiting", "count=integer bytes=integer"},
    {"Chain", "network=string consensus_kind=(poa,pos) fee_min=Amount relay_stake_min=Amount "
              "validator_stake_min=Amount height=integer id=string time_ms=integer state_root=string epoch=integer "
              "mempool=Waiting"},
    {"Consensus", "height=integer round=integer step=string validator=boolean syncing=boolean peer_height=integer "
                  "peers=integer"},
    {"Signature", "validator=integer signature=string"},
    {"Certificate", "round=integer signatures=[Signature]"},
    {"Block", "height=integer id=string time_ms=integer parent=string state_root=string tx_root=string "
              "tx_count=integer validators_hash=string next_validators_hash=string epoch=integer proposer=string "
              "bytes=integer certificate=Certificate txs=[string]"},
    {"BlockTransactions", "height=integer txs=[TransactionContent]"},
    {"NewTransaction", "tx=string"},
    {"Outcome", "done=boolean text=string"},
    {"Proof", "tx_count=integer index=integer path=[string]"},
    {"TransactionContent", "id=string " TX_CONTENT},
    {"Transaction",
     "id=string status=(pending,final) ?height=integer ?outcome=Outcome ?proof=Proof ?hint=string " TX_CONTENT},
    {"Transactions", "txs=[Transaction] ?next=integer"},
    {"Transfer", "to=string amount=Amount"},
    {"Stake", "key=string amount=Amount"},
    {"Unstake", "amount=Amount"},
    {"RegisterRelay", "relay=string address=string first_epoch=integer onion_keys=[string] stake=Amount "
                      "deposit=Amount"},
    {"UpdateRelay", "address=string first_epoch=integer onion_keys=[string]"},
    {"ValidatorVote", "key=string power=integer expiry_height=integer"},
    {"DeliveryBatch", "epoch=integer root=string count=integer"},
    {"Opening", "epoch=integer index=integer leaf=string secret=string receipt_of=string"},
    {"Evidence", "of=(votes,proposals) accused=string height=integer"},
    {"Account", "exists=boolean balance=Amount nonce=integer next_nonce=integer"},
    {"Validator", "key=string operator=string power=integer"},
    {"Validators", "power=integer validators=[Validator]"},
    {"Batch", "epoch=integer count=integer root=string sample=[integer] opened=integer"},
    {"Relay", "id=string operator=string placement=string address=string stake=Amount balance=Amount "
              "since_epoch=integer ?retired_epoch=integer deliveries=integer rewards=Amount ?batch=Batch"},
    {"Relays", "relays=[Relay] ?next=integer"},
    {"Mempool", "count=integer bytes=integer txs=[Transaction]"},
    {"Event", "type=(message,request,block,tx,batch,validators,epoch,slash,reward,retired) ?message=Message "
              "?request=Request ?height=integer ?id=string ?time_ms=integer ?tx_count=integer ?kind=string "
              "?sender=string ?outcome=Outcome ?relay=string ?validator=string ?epoch=integer ?count=integer "
              "?amount=Amount"},
    {"Problem", "status=integer title=string detail=string "
                "?verdict=(nonce_used,nonce_far,fee_low,underpriced,sender_full,unpayable,full,invalid)"},
};

json_t *schema_reference(const char *schema) {
    char reference[128];
    snprintf(reference, sizeof(reference), "#/components/schemas/%s", schema);
    return json_pack("{ss}", "$ref", reference);
}

static json_t *choices_of(const char *texts, size_t n) {
    json_t *array = json_array();
    while (n > 0) {
        const char *comma = memchr(texts, ',', n);
        size_t length = comma == NULL ? n : (size_t)(comma - texts);
        json_array_append_new(array, json_stringn(texts, length));
        size_t used = comma == NULL ? n : length + 1;
        texts += used;
        n -= used;
    }
    return json_pack("{so}", "enum", array);
}

static json_t *bounded_string(const char *bounds) {
    char *end;
    json_t *type = json_pack("{ss sI}", "type", "string", "minLength", (json_int_t)strtoul(bounds, &end, 10));
    ASSERT(*end == '-');
    if (end[1] != 0) {
        json_object_set_new(type, "maxLength", json_integer((json_int_t)strtoul(end + 1, NULL, 10)));
    }
    return type;
}

static json_t *type_of(const char *text) {
    size_t n = strlen(text);
    char inner[64];
    ASSERT(n > 1);
    if (text[0] == '(') {
        return choices_of(text + 1, n - 2);
    }
    if (text[0] == '[') {
        ASSERT(n < sizeof(inner));
        snprintf(inner, sizeof(inner), "%.*s", (int)n - 2, text + 1);
        return json_pack("{ss so}", "type", "array", "items", type_of(inner));
    }
    if (strncmp(text, "string:", 7) == 0) {
        return bounded_string(text + 7);
    }
    if (text[n - 1] == '?') {
        return json_pack("{s[s#s]}", "type", text, (int)n - 1, "null");
    }
    return text[0] >= 'A' && text[0] <= 'Z' ? schema_reference(text) : json_pack("{ss}", "type", text);
}

bool schema_next_member(const char **members, struct schema_member *member) {
    char type[SCHEMA_TYPE_MAX];
    const char *name = *members + (**members == '?' ? 1 : 0);
    size_t name_n = strcspn(name, "=");
    size_t type_n = strcspn(name + name_n, " ");
    if (**members == 0) {
        return false;
    }
    ASSERT(name_n < sizeof(member->name) && type_n > 1 && type_n < sizeof(type));
    snprintf(member->name, sizeof(member->name), "%.*s", (int)name_n, name);
    snprintf(type, sizeof(type), "%.*s", (int)type_n - 1, name + name_n + 1);
    member->optional = name != *members;
    member->type = type_of(type);
    *members = name + name_n + type_n;
    *members += strspn(*members, " ");
    return true;
}

static json_t *schema_of(const struct schema *schema) {
    json_t *properties = json_object();
    json_t *required = json_array();
    const char *next = schema->members;
    struct schema_member member;
    while (schema_next_member(&next, &member)) {
        json_object_set_new(properties, member.name, member.type);
        if (!member.optional) {
            json_array_append_new(required, json_string(member.name));
        }
    }
    return json_pack("{ss so so}", "type", "object", "required", required, "properties", properties);
}

json_t *schemas_document(void) {
    json_t *document = json_object();
    for (size_t i = 0; i < sizeof(schemas) / sizeof(schemas[0]); i++) {
        json_object_set_new(document, schemas[i].name, schema_of(&schemas[i]));
    }
    return document;
}
