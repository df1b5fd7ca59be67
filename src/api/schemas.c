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

struct schema {
    const char *name;
    const char *members;
};

static const struct schema schemas[] = {
    {"Status", "ready=boolean ?waiting_for=string epoch=integer directory_epoch=integer relays=integer "
               "relay_links=integer client_links=integer"},
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
    {"Event", "type=(message,request) ?message=Message ?request=Request"},
    {"Problem", "status=integer title=string detail=string"},
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

// Adds one member, as "?name=type", to a schema.
static void add_member(json_t *properties, json_t *required, char *member) {
    bool optional = member[0] == '?';
    char *name = optional ? member + 1 : member;
    char *equals = strchr(name, '=');
    ASSERT(equals != NULL);
    *equals = 0;
    json_object_set_new(properties, name, type_of(equals + 1));
    if (!optional) {
        json_array_append_new(required, json_string(name));
    }
}

static json_t *schema_of(const struct schema *schema) {
    json_t *properties = json_object();
    json_t *required = json_array();
    const char *next = schema->members;
    while (*next != 0) {
        char member[128];
        size_t n = strcspn(next, " ");
        ASSERT(n < sizeof(member));
        memcpy(member, next, n);
        member[n] = 0;
        add_member(properties, required, member);
        next += n + strspn(next + n, " ");
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
