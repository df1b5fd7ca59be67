// A ledger of headers only, from genesis on, whose validators change as a test wants: what those who serve light
// clients hold.
#ifndef SOTTO_TESTS_LEDGER_HISTORY_H
#define SOTTO_TESTS_LEDGER_HISTORY_H

#include "ledger/headers.h"
#include "ledger/message.h"

struct moment {
    struct block_header header;
    struct block_id id;
    struct buf light; // the parts of FRAME_LIGHT
};

struct history {
    struct genesis genesis;
    uint64_t height;
    struct moment *at; // of heights 1 to `height`; 0 is the genesis, of which there is nothing
};

static inline void history_begin(struct history *history, const struct committee *first, enum consensus consensus,
                                 uint64_t height_max) {
    *history = (struct history){.genesis = genesis_of(first, consensus)};
    history->at = NEW_ARRAY(struct moment, height_max + 1);
}

static inline void light_parts(struct buf *out, const struct certified *c, const struct validator_set *next) {
    uint8_t header[BLOCK_HEADER_BYTES], certificate[CERTIFICATE_BYTES_MAX], set[VALIDATOR_SET_BYTES_MAX];
    block_header_encode(header, &c->header);
    buf_clear(out);
    part_append(out, SPAN_OF(header));
    part_append(out, span_of(certificate, certificate_encode(certificate, &c->certificate)));
    part_append(out, span_of(set, validator_set_encode(set, &c->validators)));
    part_append(out, span_of(set, validator_set_encode(set, next)));
}

// The next block, signed by all of the committee; the state is the root of what comes before it.
static inline void history_add(struct history *history, const struct committee *committee, const struct committee *next,
                               const struct hash *state_root) {
    struct moment *before = &history->at[history->height];
    struct moment *moment = &history->at[++history->height];
    struct certified *c = NEW(struct certified);
    *c = header_of(committee, next, history->height, &before->id);
    if (state_root != NULL)
        c->header.state_root = *state_root;
    certify(c, committee, committee->set.count);
    moment->header = c->header;
    moment->id = c->id;
    light_parts(&moment->light, c, &next->set);
    free(c);
}

// Blocks of one committee up to a height, the last of which announces the next.
static inline void history_extend(struct history *history, const struct committee *committee,
                                  const struct committee *next, uint64_t height) {
    while (history->height < height)
        history_add(history, committee, history->height + 1 == height ? next : committee, NULL);
}

static inline void history_free(struct history *history) {
    for (uint64_t height = 1; height <= history->height; height++)
        buf_free(&history->at[height].light);
    free(history->at);
}

#endif
