// Effects and what they own.
#include "node/effect.h"

#include <stdlib.h>
#include <string.h>

void node_answer_free(struct node_answer *answer) {
    if (answer != NULL) {
        client_answer_clear(&answer->client);
        ledger_answer_clear(&answer->ledger);
        free(answer);
    }
}

enum err node_answer_error(const struct node_answer *answer, const char **reason) {
    enum err err = answer->err;
    *reason = answer->reason;
    if (answer->op == NODE_CLIENT) {
        err = answer->client.err;
        *reason = answer->client.reason;
    } else if (answer->op == NODE_LEDGER) {
        err = answer->ledger.err;
        *reason = answer->ledger.reason;
    }
    if (*reason == NULL) {
        *reason = err_text(err);
    }
    return err;
}

void stream_item_free(struct stream_item *item) {
    if (item != NULL) {
        buf_free(&item->message.text);
        buf_free(&item->request.text);
        free(item);
    }
}

struct effect *effects_add(struct effects *effects, enum effect_kind kind) {
    if (effects->count == effects->capacity) {
        size_t capacity = effects->capacity == 0 ? 16 : effects->capacity * 2;
        struct effect *list = NEW_ARRAY(struct effect, capacity);
        if (effects->count > 0) {
            memcpy(list, effects->list, effects->count * sizeof(*list));
        }
        free(effects->list);
        effects->list = list;
        effects->capacity = capacity;
    }
    struct effect *effect = &effects->list[effects->count++];
    *effect = (struct effect){.kind = kind};
    return effect;
}

void effect_release(struct effect *effect) {
    switch (effect->kind) {
    case EFFECT_SEND:
        buf_free(&effect->send.bytes);
        break;
    case EFFECT_ANSWER:
        node_answer_free(effect->answer);
        break;
    case EFFECT_STREAM:
        stream_item_free(effect->stream);
        break;
    case EFFECT_DIAL:
    case EFFECT_CLOSE:
    case EFFECT_TIMER:
        break;
    case EFFECT_STOPPED:
        free(effect->stopped_why);
        break;
    }
    *effect = (struct effect){.kind = EFFECT_STOPPED};
}

void effects_clear(struct effects *effects) {
    for (size_t i = 0; i < effects->count; i++) {
        effect_release(&effects->list[i]);
    }
    effects->count = 0;
    kv_batch_clear(&effects->batch);
    log_batch_clear(&effects->log);
    for (size_t i = 0; i < effects->jobs.count; i++) {
        effects->jobs.jobs[i]->free(effects->jobs.jobs[i]);
    }
    effects->jobs.count = 0;
}

void effects_free(struct effects *effects) {
    effects_clear(effects);
    free(effects->list);
    kv_batch_free(&effects->batch);
    log_batch_free(&effects->log);
    job_list_free(&effects->jobs);
    *effects = (struct effects){0};
}
