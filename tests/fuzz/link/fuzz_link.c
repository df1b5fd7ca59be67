// Links that people give each other: what is taken is the one text of what it says.
#include <string.h>

#include "base/assert.h"
#include <stdlib.h>

#include "client/link.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct network_id network = {{1, 2, 3}};
    char *text = mem_text(span_of(data, size));
    struct card card;
    const char *reason = NULL;
    enum err err = link_parse(&card, &reason, text, &network);
    ASSERT(err == OK || reason != NULL);
    if (err == OK) {
        char again[LINK_TEXT_MAX + 1];
        struct card same;
        link_format(again, &card, &network);
        ASSERT(link_parse(&same, &reason, again, &network) == OK);
        ASSERT(memcmp(&same, &card, sizeof(card)) == 0);
    }
    if (name_valid(text))
        ASSERT(text_valid(span_of(text, strlen(text))));
    free(text);
    return 0;
}
