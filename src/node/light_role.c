// The light client in a node: it proves the directories that others offer, from genesis on, and remembers how far it
// has come. A node with the ledger itself takes them from there.
//
//   a bundle -> its header can be judged -> taken, or refused
//            -> a header between is needed: the bundle waits, stepping stones are fetched -> judged again
//
// While it fetches, other bundles are looked at as ever: the one that waits may be a lie.
#include <stdlib.h>
#include <string.h>

#include "ledger/bundle.h"
#include "ledger/keys.h"
#include "node/node_internal.h"

// Until what the configuration names is asked for again.
#define CHECKPOINT_RETRY_MS 30000

static const uint8_t forked_key[] = {KV_SPACE_LEDGER, LEDGER_FORKED};
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
    [LIGHT_BETWEEN] = {ERR_UNAVAILABLE, "a directory under a block whose signers are not known here: the headers in "
                                        "between are asked for"},
    [LIGHT_INVALID] = {ERR_AUTH, "a directory under a block that two thirds of the validators have not signed"},
    [LIGHT_FORK] = {ERR_REFUSED, "the network's operators: its validators have signed two histories. When they have "
                                 "said which one holds, give a new block of it as checkpoint"},
};

#define LATER_EPOCH "a directory under a block of a later epoch"
#define WAITS_CHECKPOINT "the block of the checkpoint: no seed serves one of that height and id"

static void remember(const struct light *light, struct step *step) {
    struct buf bytes = {0};
    buf_extend(&bytes, LIGHT_BYTES_MAX);
    bytes.n = light_encode(bytes.p, light);
    step_put(step, SPAN_OF(light_key), buf_span(&bytes), KV_SYNCED);
    buf_free(&bytes);
}

// ---- what is trusted

static void stop_walking(struct node *node, struct step *step) {
    if (node->stones != NULL) {
        stones_stop(node->stones, step);
    }
    buf_free(&node->bundle_waiting);
}

static void trust(struct node *node, struct step *step, const struct light *light) {
    if (!block_id_equal(&light->id, &node->light->id)) {
        *node->light = *light;
        remember(light, step);
        stop_walking(node, step);
    }
}

// Nothing is taken any more, after a restart neither: which history holds is for people to say.
static void stop_at_fork(struct node *node, struct step *step) {
    static const uint8_t seen[1] = {1};
    node->light_forked = true;
    step_put(step, SPAN_OF(forked_key), SPAN_OF(seen), KV_SYNCED);
    metric_set(step->env->metrics, METRIC_LIGHT_FORKED, 1);
    log_reason(&step->env->log, LOG_ERROR, "directory", "a fork of the ledger: no directory is taken any more",
               "validators with over a third of the power have signed two histories");
    stop_walking(node, step);
}

// A checkpoint that is behind what is trusted has done its work.
static bool awaits_checkpoint(const struct node *node) {
    return node->stones != NULL && node->config.checkpoint.height > node->light->header.height;
}

// ---- directories

// By what is trusted; failing that, by what has been fetched since.
static enum light_result judge(const struct node *node, struct light *light, const struct ledger_bundle *bundle,
                               uint64_t wall_ms) {
    const struct light *further = node->stones == NULL ? NULL : stones_trusted(node->stones);
    *light = *node->light;
    enum light_result result = light_update(light, &bundle->header, &bundle->certificate, &bundle->validators, wall_ms);
    if (result == LIGHT_BETWEEN && further != NULL && further->header.height > light->header.height &&
        further->header.height <= bundle->header.height) {
        *light = *further;
        result = light_update(light, &bundle->header, &bundle->certificate, &bundle->validators, wall_ms);
    }
    return result;
}

// The first bundle that needs it is waited for; the same or another will be offered again.
static void fetch_between(struct node *node, struct step *step, struct span proof, uint64_t height) {
    if (node->stones != NULL && !stones_is_walking(node->stones)) {
        buf_clear(&node->bundle_waiting);
        buf_append(&node->bundle_waiting, proof);
        stones_walk(node->stones, step, node->light, height);
    }
}

static enum err verify_opened(struct node *node, struct step *step, const struct ledger_bundle *bundle,
                              struct span proof, const char **why) {
    struct light *light = NEW(struct light);
    enum light_result result = judge(node, light, bundle, step->now.wall_ms);
    enum err err = verdicts[result].err;
    *why = verdicts[result].text;
    if (result == LIGHT_BETWEEN) {
        fetch_between(node, step, proof, bundle->header.height);
    } else if (result == LIGHT_FORK) {
        stop_at_fork(node, step);
    } else if (err == OK && bundle_verify(bundle, light) != OK) {
        err = ERR_AUTH;
        *why = "a directory that is not in the ledger's state";
    } else if (err == OK) {
        trust(node, step, light);
    }
    free(light);
    return err;
}

// The state has directories of epochs that are over. Trust in a block after their end would keep the next one out,
// which stands under an older block.
static bool is_late(const struct node *node, const struct ledger_bundle *bundle) {
    return epoch_at(&node->config.genesis, bundle->header.time_ms) > bundle->epoch;
}

// Trust moves only with a directory that is proved: it and the header are kept in one batch. What is fetched for a
// bundle could otherwise go beyond the directory in force, and a liar's bundle keep that one out.
static enum err verify_bundle(void *ctx, struct step *step, struct span proof, const char **why) {
    struct node *node = ctx;
    struct ledger_bundle *bundle = NEW(struct ledger_bundle);
    enum err err = bundle_decode(bundle, proof);
    if (awaits_checkpoint(node)) {
        err = ERR_UNAVAILABLE;
        *why = WAITS_CHECKPOINT;
    } else if (node->light_forked) {
        err = verdicts[LIGHT_FORK].err;
        *why = verdicts[LIGHT_FORK].text;
    } else if (err == OK && is_late(node, bundle)) {
        err = ERR_EXPIRED;
        *why = LATER_EPOCH;
    } else if (err == OK) {
        err = verify_opened(node, step, bundle, proof, why);
    }
    free(bundle);
    return err;
}

// ---- stepping stones

static bool port_dial(void *ctx, struct step *step, const struct relay_id *id, const struct address *address) {
    return ledger_line_dial(ctx, step, LINE_STONES, id, address);
}

static void port_send(void *ctx, struct step *step, enum ledger_frame kind, struct span body) {
    ledger_line_send(ctx, step, LINE_STONES, kind, body);
}

static void port_hang_up(void *ctx, struct step *step) {
    ledger_line_hang_up(ctx, step, LINE_STONES);
}

static void checkpoint_fetched(struct node *node, struct step *step) {
    const struct light light = *stones_trusted(node->stones);
    node->light_forked = false;
    step_delete(step, SPAN_OF(forked_key), KV_SYNCED);
    metric_set(step->env->metrics, METRIC_LIGHT_FORKED, 0);
    log_note(&step->env->log, LOG_INFO, "directory", "the block of the checkpoint is trusted");
    trust(node, step, &light);
}

static void fetch_checkpoint(struct node *node, struct step *step) {
    node->checkpoint_ms = TIME_NEVER;
    if (awaits_checkpoint(node) && !stones_is_walking(node->stones)) {
        stones_fetch(node->stones, step, node->light, &node->config.checkpoint);
    }
}

static void port_ended(void *ctx, struct step *step, enum stones_end how) {
    struct node *node = ctx;
    struct buf bundle = node->bundle_waiting;
    node->bundle_waiting = (struct buf){0};
    if (awaits_checkpoint(node)) {
        if (how == STONES_REACHED) {
            checkpoint_fetched(node, step);
        } else {
            node->checkpoint_ms = step->now.mono_ms + CHECKPOINT_RETRY_MS;
            log_reason(&step->env->log, LOG_WARN, "directory", "no directory is taken yet", WAITS_CHECKPOINT);
        }
    } else if (how == STONES_FORK) {
        stop_at_fork(node, step);
    } else {
        following_judged(node, step, buf_span(&bundle), how == STONES_REACHED);
    }
    buf_free(&bundle);
}

static void on_up(struct node *node, struct step *step) {
    stones_up(node->stones, step);
}

static void on_down(struct node *node, struct step *step) {
    stones_down(node->stones, step);
}

static enum err on_frame(struct node *node, struct step *step, uint8_t kind, struct span body) {
    return stones_frame(node->stones, step, kind, body);
}

// ---- life cycle

static void new_stones(struct node *node) {
    const struct stones_config config = {.genesis = &node->config.genesis, .self = node->self};
    const struct stones_ports ports = {
        .ctx = node, .dial = port_dial, .send = port_send, .hang_up = port_hang_up, .ended = port_ended};
    const struct ledger_line_part part = {.up = on_up, .down = on_down, .frame = on_frame};
    node->stones = stones_new(&config, &ports);
    ledger_line_new(node, LINE_STONES, &part);
}

void light_role_new(struct node *node, struct follow_verifier *verifier) {
    node->light = NEW(struct light);
    light_init(node->light, &node->config.genesis);
    node->checkpoint_ms = TIME_NEVER;
    *verifier = (struct follow_verifier){.ctx = node, .open = open_bundle, .verify = verify_bundle};
    if ((node->config.roles & ROLE_VALIDATOR) == 0) {
        new_stones(node);
    }
}

void light_role_free(struct node *node) {
    stones_free(node->stones);
    buf_free(&node->bundle_waiting);
    free(node->light);
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
    node->light_forked = step_has(step, SPAN_OF(forked_key));
    metric_set(step->env->metrics, METRIC_LIGHT_FORKED, node->light_forked);
    fetch_checkpoint(node, step);
}

void light_role_tick(struct node *node, struct step *step) {
    if (node->stones != NULL && stones_next_ms(node->stones) <= step->now.mono_ms) {
        stones_tick(node->stones, step);
    }
    if (node->checkpoint_ms <= step->now.mono_ms) {
        fetch_checkpoint(node, step);
    }
}

uint64_t light_role_next_ms(const struct node *node) {
    uint64_t stones_ms = node->stones == NULL ? TIME_NEVER : stones_next_ms(node->stones);
    return stones_ms < node->checkpoint_ms ? stones_ms : node->checkpoint_ms;
}

void light_role_checkpoint(const struct node *node, struct checkpoint *out) {
    const struct directory *newest = follow_newest(node->follow);
    struct ledger_bundle *bundle = NEW(struct ledger_bundle);
    *out = (struct checkpoint){0};
    if (newest != NULL && bundle_decode(bundle, buf_span(&newest->bytes)) == OK) {
        out->height = bundle->header.height;
        block_id_of(&out->id, &bundle->header);
    }
    free(bundle);
}

const char *light_role_waits_for(const struct node *node) {
    if (awaits_checkpoint(node)) {
        return WAITS_CHECKPOINT;
    }
    if (node->light_forked) {
        return verdicts[LIGHT_FORK].text;
    }
    bool walking = node->stones != NULL && stones_is_walking(node->stones);
    return walking ? "the headers between the last block that this node verified and the newest, which a validator is "
                     "asked for"
                   : NULL;
}
