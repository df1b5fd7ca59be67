// The light client in a node: it proves the directories that others offer, from genesis on, and remembers how far it
// has come. A node with the ledger itself takes them from there.
#include <stdlib.h>
#include <string.h>

#include "ledger/bundle.h"
#include "ledger/keys.h"
#include "node/node_internal.h"

static const uint8_t light_key[] = {KV_SPACE_LEDGER, LEDGER_TRUSTED};

static enum err open_bundle(struct span proof, uint32_t *epoch, struct span *directory) {
    struct ledger_bundle *bundle = NEW(struct ledger_bundle);
    enum err err = bundle_decode(bundle, proof);
    if (err == OK) {
        *epoch = bundle->epoch;
        *directory = bundle->directory;
    }
    free(bundle);
    return err;
}

// What the light client says of a header, for who is offered a directory under it.
static const struct {
    enum err err;
    const char *text;
} verdicts[] = {
    [LIGHT_TAKEN] = {OK, NULL},
    [LIGHT_KNOWN] = {OK, NULL},
    [LIGHT_NETWORK] = {ERR_NETWORK, "the directory of another network"},
    [LIGHT_OLDER] = {ERR_EXPIRED, "an old directory: a newer block is known already"},
    [LIGHT_EXPIRED] = {ERR_REFUSED, "a checkpoint: the last block that this node verified is older than the unbonding "
                                    "period, after which validators no longer answer for what they signed"},
    [LIGHT_AHEAD] = {ERR_EPOCH, "a directory under a block from the future: this machine's clock is slow, or the "
                                "validators' are fast"},
    [LIGHT_BETWEEN] = {ERR_AUTH, "a directory under a block that too few of the known validators signed: those in "
                                 "between are missing, or it is a forgery"},
    [LIGHT_INVALID] = {ERR_AUTH, "a directory under a block that two thirds of the validators have not signed"},
    [LIGHT_FORK] = {ERR_REFUSED, "the network's operators: its validators have signed two blocks that contradict each "
                                 "other"},
};

static void remember(const struct light *light, struct step *step) {
    struct buf bytes = {0};
    buf_extend(&bytes, LIGHT_BYTES_MAX);
    bytes.n = light_encode(bytes.p, light);
    step_put(step, SPAN_OF(light_key), buf_span(&bytes), KV_SYNCED);
    buf_free(&bytes);
}

// Trust moves only with a directory that is proved: it and the header are kept in one batch.
static enum err verify_bundle(void *ctx, struct step *step, struct span proof, const char **why) {
    struct node *node = ctx;
    struct ledger_bundle *bundle = NEW(struct ledger_bundle);
    struct light *light = NEW(struct light);
    *light = *node->light;
    enum err err = bundle_decode(bundle, proof);
    enum light_result result = LIGHT_INVALID;
    if (err == OK) {
        result = light_update(light, &bundle->header, &bundle->certificate, &bundle->validators, step->now.wall_ms);
        err = verdicts[result].err;
        *why = verdicts[result].text;
    }
    if (err == OK && bundle_verify(bundle, light) != OK) {
        err = ERR_AUTH;
        *why = "a directory that is not in the ledger's state";
    }
    if (err == OK && result == LIGHT_TAKEN) {
        *node->light = *light;
        remember(light, step);
    }
    free(light);
    free(bundle);
    return err;
}

void light_role_new(struct node *node, struct follow_verifier *verifier) {
    node->light = NEW(struct light);
    light_init(node->light, &node->config.genesis);
    *verifier = (struct follow_verifier){.ctx = node, .open = open_bundle, .verify = verify_bundle};
}

void light_role_start(struct node *node, struct step *step) {
    struct buf bytes = {0};
    if (step_get(step, SPAN_OF(light_key), &bytes) == OK) {
        enum err err = light_restore(node->light, buf_span(&bytes));
        if (err != OK) {
            log_reason(&step->env->log, LOG_WARN, "directory", "verification begins from genesis again", err_text(err));
        }
    }
    buf_free(&bytes);
}
