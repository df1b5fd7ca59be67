// A validator whose signer remembers nothing: when may it sign?
//
// It may be new, or have lost store and log together. Then it has signed things that others may hold, at every height
// up to the one after the highest that was decided anywhere, and whatever it signs there now may contradict them: its
// power would be taken, and where it was locked it could help to decide a second block. So it follows the chain and
// says nothing until it has
//
// - heard from validators who with it have over two thirds of the power, and reached what they know of. It counts among
//   those that may fail, so that of the others less than a third less its own power lies: what is claimed by more than
//   that is there;
// - seen a block decided that was proposed after it started: that height was still open when it lost its memory.
//
// Either alone would do if nobody lags and no clock is wrong. At the height after it may have voted, and a status is
// told a little after the decision; from the third on it votes. Only at the beginning of a network, when all say that
// nothing has been decided, may it vote at once: whoever loses its memory before the second block needs a new key.
#include "ledger/ledger_internal.h"

#define SIGN_AFTER_HEIGHTS 3

// Of validators that with us have over two thirds of the power.
static bool hears_quorum(const struct ledger *ledger, uint64_t own_power) {
    struct claim claims[VALIDATORS_MAX];
    uint64_t power = own_power;
    sync_claims(ledger, claims);
    for (size_t i = 0; i < ledger->set.count; i++)
        power += claims[i].made ? ledger->set.validators[i].power : 0;
    return power_is_quorum(power, ledger->set.total);
}

static uint64_t power_of(const struct ledger *ledger, const struct sign_public *key) {
    int self = validator_set_find(&ledger->set, key);
    return self < 0 ? 0 : ledger->set.validators[self].power;
}

bool rejoin_is_silent(const struct ledger *ledger) {
    return ledger->signer != NULL && power_of(ledger, signer_key(ledger->signer)) > 0 &&
           signer_is_silent(ledger->signer, ledger->chain.height + 1);
}

static void begin_at_genesis(struct ledger *ledger, struct step *step) {
    signer_admit(ledger->signer, step, 1);
    bft_sign_again(ledger->bft, &ledger->outputs);
}

void rejoin_tick(struct ledger *ledger, struct step *step) {
    uint64_t known = 0;
    if (ledger->signer == NULL || !signer_is_blank(ledger->signer) || ledger->broken != NULL)
        return;
    uint64_t own_power = power_of(ledger, signer_key(ledger->signer));
    if (!hears_quorum(ledger, own_power))
        return;
    sync_vouched_height(ledger, own_power, &known);
    uint64_t height = ledger->chain.height;
    if (height == 0 && known == 0) {
        begin_at_genesis(ledger, step);
        return;
    }
    if (height < known || ledger->chain.header.time_ms <= ledger->started_wall_ms)
        return;
    signer_admit(ledger->signer, step, height + SIGN_AFTER_HEIGHTS);
    log_number(&step->env->log, LOG_INFO, "ledger", "this key's memory begins anew: it votes from a later height on",
               "height", (int64_t)(height + SIGN_AFTER_HEIGHTS));
}
