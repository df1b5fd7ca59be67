// Who may have how many items waiting in a mailbox: the owner's contacts by their tokens, strangers apart from them;
// and how much of the disk all of it may take.
#include <string.h>

#include "base/assert.h"
#include "mailbox/mailbox_internal.h"

bool token_hash_is_stranger(const struct token_hash *token) {
    static const struct token_hash zeros;
    return memcmp(token->bytes, zeros.bytes, sizeof zeros.bytes) == 0;
}

static struct token_use *find(struct mailbox_state *state, const struct token_hash *token) {
    for (size_t i = 0; i < state->count; i++) {
        if (memcmp(state->tokens[i].token.bytes, token->bytes, sizeof token->bytes) == 0)
            return &state->tokens[i];
    }
    return NULL;
}

static unsigned slack(enum origin origin) {
    return origin == ORIGIN_REPLICA ? PLACEMENT_RANKS : 1;
}

bool quota_has_room(const struct mailbox *mailbox, const struct mailbox_state *state, uint64_t bytes,
                    enum origin origin) {
    return state->bytes + bytes <= mailbox->config.mailbox_bytes_max * slack(origin);
}

static enum op_status check_token(const struct mailbox_state *state, const struct token_hash *token) {
    for (size_t i = 0; i < state->count; i++) {
        const struct token_use *use = &state->tokens[i];
        if (memcmp(use->token.bytes, token->bytes, sizeof token->bytes) != 0)
            continue;
        if (use->quota == 0)
            return OP_REFUSED;
        return use->used < use->quota ? OP_OK : OP_MAILBOX_FULL;
    }
    return OP_REFUSED;
}

// Another replica may bring what an older policy allowed: to it a mailbox with a policy is as good as the token.
static enum op_status check_quotas(const struct mailbox *mailbox, const struct mailbox_state *state,
                                   const struct token_hash *token, enum origin origin) {
    if (token_hash_is_stranger(token))
        return state->strangers < mailbox->config.stranger_quota * slack(origin) ? OP_OK : OP_MAILBOX_FULL;
    if (origin == ORIGIN_REPLICA)
        return state->policy_version > 0 ? OP_OK : OP_REFUSED;
    return check_token(state, token);
}

enum op_status quota_check(const struct mailbox *mailbox, const struct mailbox_state *state,
                           const struct token_hash *token, enum origin origin) {
    enum op_status status = check_quotas(mailbox, state, token, origin);
    if (status == OP_OK && !quota_has_room(mailbox, state, ITEM_SPACE_BYTES, origin))
        return OP_MAILBOX_FULL;
    return status;
}

void quota_take(struct mailbox_state *state, const struct token_hash *token) {
    if (token_hash_is_stranger(token)) {
        state->strangers++;
        return;
    }
    struct token_use *use = find(state, token);
    // Repair may bring an item that an older policy allowed.
    if (use == NULL && state->count < STATE_TOKENS_MAX) {
        use = &state->tokens[state->count++];
        *use = (struct token_use){.token = *token};
    }
    if (use != NULL)
        use->used++;
}

void quota_give(struct mailbox_state *state, const struct token_hash *token) {
    if (token_hash_is_stranger(token)) {
        state->strangers -= state->strangers > 0 ? 1 : 0;
        return;
    }
    struct token_use *use = find(state, token);
    if (use == NULL)
        return;
    use->used -= use->used > 0 ? 1 : 0;
    if (use->used == 0 && use->quota == 0)
        *use = state->tokens[--state->count];
}

void quota_set_policy(struct mailbox_state *state, const struct op *op) {
    ASSERT(op->kind == OP_POLICY && op->count <= POLICY_TOKENS_MAX);
    struct token_use old[STATE_TOKENS_MAX];
    size_t old_count = state->count;
    memcpy(old, state->tokens, old_count * sizeof old[0]);
    state->count = 0;
    for (size_t i = 0; i < op->count; i++) {
        if (find(state, &op->policy[i].token) == NULL && !token_hash_is_stranger(&op->policy[i].token))
            state->tokens[state->count++] =
                (struct token_use){.token = op->policy[i].token, .quota = op->policy[i].quota};
    }
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].used == 0)
            continue;
        struct token_use *use = find(state, &old[i].token);
        if (use != NULL)
            use->used = old[i].used;
        else if (state->count < STATE_TOKENS_MAX)
            state->tokens[state->count++] = (struct token_use){.token = old[i].token, .used = old[i].used};
    }
    state->policy_version = op->version;
}
