// The checkers. Only the first failure is kept: what follows it is most often its consequence.
#include "sim/checker.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/time.h"

// A client that was asked to send a text, and has not answered by then, never does.
#define ASKED_MS (15 * SECOND_MS)

// From a text's expiry until the last moment at which it may still appear: it was on its way, or its recipient's
// machine was about to show it.
#define EXPIRY_MARGIN_MS (5 * SECOND_MS)

// Of sender's and recipient's clocks each may have been wrong when it mattered.
static uint64_t clocks_apart_ms(const struct checker *checker) {
    return 2 * checker->clock_error_ms;
}

void checker_init(struct checker *checker, unsigned quorum) {
    *checker = (struct checker){.quorum = quorum};
}

void checker_free(struct checker *checker) {
    free(checker->messages);
    checker->messages = NULL;
}

void check_fail(struct checker *checker, uint64_t at_ms, const char *what, uint32_t machine, uint64_t a, uint64_t b) {
    if (checker->failure.what == NULL)
        checker->failure = (struct failure){what, at_ms, machine, a, b};
}

struct check_message *check_sending(struct checker *checker, uint32_t from, uint32_t to, uint32_t number,
                                    uint64_t now_ms, uint64_t lifetime_ms) {
    ASSERT(from < CHECK_MACHINES_MAX && to < CHECK_MACHINES_MAX);
    if (checker->count == checker->capacity) {
        size_t capacity = checker->capacity > 0 ? 2 * checker->capacity : 64;
        struct check_message *messages = realloc(checker->messages, capacity * sizeof *messages);
        ASSERT(messages != NULL);
        checker->messages = messages;
        checker->capacity = capacity;
    }
    struct check_message *message = &checker->messages[checker->count++];
    *message = (struct check_message){.from = from,
                                      .to = to,
                                      .number = number,
                                      .state = MESSAGE_QUEUED,
                                      .sent_ms = now_ms,
                                      .expires_ms = now_ms + lifetime_ms};
    return message;
}

struct check_message *check_find(struct checker *checker, uint32_t from, uint32_t to, uint32_t number) {
    for (size_t i = 0; i < checker->count; i++) {
        struct check_message *message = &checker->messages[i];
        if (message->from == from && message->to == to && message->number == number)
            return message;
    }
    return NULL;
}

void check_state(struct checker *checker, struct check_message *message, enum message_state state,
                 const uint32_t *signers, size_t signer_count, uint64_t now_ms) {
    bool acknowledged = state == MESSAGE_STORED || state == MESSAGE_ACKNOWLEDGED;
    if (message->state == MESSAGE_ACKNOWLEDGED && state != MESSAGE_ACKNOWLEDGED)
        check_fail(checker, now_ms, "an acknowledged message went back to another state", message->from,
                   message->number, state);
    if (state == MESSAGE_STORED && signer_count < checker->quorum)
        check_fail(checker, now_ms, "stored with fewer receipts than the quorum", message->from, message->number,
                   signer_count);
    message->state = state;
    if (!acknowledged || message->stored_ms != 0 || signer_count == 0)
        return;
    message->stored_ms = now_ms;
    message->signer_count = signer_count < 3 ? signer_count : 3;
    memcpy(message->signers, signers, message->signer_count * sizeof signers[0]);
}

// Whether a later text of that sender has been shown already.
static bool later_shown(const struct checker *checker, uint32_t to, uint32_t from, uint32_t number) {
    for (size_t i = 0; i < checker->count; i++) {
        const struct check_message *message = &checker->messages[i];
        if (message->from == from && message->to == to && message->number > number && message->shown)
            return true;
    }
    return false;
}

void check_shown(struct checker *checker, uint32_t to, uint32_t from, uint32_t number, uint64_t now_ms) {
    struct check_message *message = check_find(checker, from, to, number);
    if (message == NULL) {
        check_fail(checker, now_ms, "a text was shown that nobody sent", to, from, number);
        return;
    }
    if (message->shown)
        check_fail(checker, now_ms, "a text was shown twice", to, from, number);
    else if (later_shown(checker, to, from, number))
        check_fail(checker, now_ms, "a text was shown after a later one of its sender", to, from, number);
    if (now_ms > message->expires_ms + EXPIRY_MARGIN_MS + clocks_apart_ms(checker))
        check_fail(checker, now_ms, "an expired text was shown", to, from, number);
    message->shown = true;
    message->shown_ms = now_ms;
}

void check_disk_lost(struct checker *checker, uint32_t machine, uint64_t now_ms) {
    ASSERT(machine < CHECK_MACHINES_MAX);
    checker->disk_lost_ms[machine] = now_ms;
}

void check_bound(struct checker *checker, const char *what, uint32_t machine, uint64_t value, uint64_t bound,
                 uint64_t now_ms) {
    if (value > bound)
        check_fail(checker, now_ms, what, machine, value, bound);
}

static bool ended(const struct check_message *message) {
    return message->refused || message->state == MESSAGE_ACKNOWLEDGED || message->state == MESSAGE_EXPIRED ||
           message->state == MESSAGE_FAILED || !message->accepted;
}

bool check_settled(const struct checker *checker, uint64_t now_ms) {
    for (size_t i = 0; i < checker->count; i++) {
        const struct check_message *message = &checker->messages[i];
        if (!message->accepted && !message->refused && now_ms < message->sent_ms + ASKED_MS)
            return false;
        // One that waits for an earlier one, which will not come any more, is acknowledged before it is shown.
        if (!ended(message) || (message->state == MESSAGE_ACKNOWLEDGED && !message->shown))
            return false;
    }
    return true;
}

// The receipts came before the sender was shown them, so a loss shortly before that counts as one after.
#define STORED_MARGIN_MS (30 * SECOND_MS)

static unsigned signers_lost(const struct checker *checker, const struct check_message *message) {
    unsigned lost = 0;
    for (size_t i = 0; i < message->signer_count; i++) {
        uint64_t lost_ms = checker->disk_lost_ms[message->signers[i]];
        lost += lost_ms != 0 && lost_ms + STORED_MARGIN_MS > message->stored_ms ? 1 : 0;
    }
    return lost;
}

static unsigned disks_lost(const struct checker *checker) {
    unsigned lost = 0;
    for (size_t i = 0; i < CHECK_MACHINES_MAX; i++)
        lost += checker->disk_lost_ms[i] != 0 ? 1 : 0;
    return lost;
}

static void check_lost(struct checker *checker, const struct check_message *message, uint64_t now_ms) {
    if (message->shown)
        return;
    if (message->state == MESSAGE_ACKNOWLEDGED)
        check_fail(checker, now_ms, "the sender saw an acknowledgement, the recipient no text", message->from,
                   message->to, message->number);
    else if (message->stored_ms != 0 && message->state != MESSAGE_EXPIRED &&
             signers_lost(checker, message) < checker->quorum)
        check_fail(checker, now_ms, "a stored message was lost", message->from, message->to, message->number);
    else if (!ended(message) && message->stored_ms == 0)
        check_fail(checker, now_ms, "a message was neither delivered nor shown as expired", message->from, message->to,
                   message->number);
}

static void check_message_end(struct checker *checker, const struct check_message *message, uint64_t now_ms) {
    if (message->refused || !message->accepted)
        return;
    check_lost(checker, message, now_ms);
    // Its acknowledgement is an item as well, and may have been lost with the disks.
    if (!ended(message) && message->shown && disks_lost(checker) < checker->quorum)
        check_fail(checker, now_ms, "a delivered message was never acknowledged", message->from, message->to,
                   message->number);
    if (message->state == MESSAGE_EXPIRED && message->expires_ms > now_ms + clocks_apart_ms(checker))
        check_fail(checker, now_ms, "a message was given up before its time", message->from, message->to,
                   message->number);
    if (message->state == MESSAGE_FAILED)
        check_fail(checker, now_ms, "a message that was taken was refused later", message->from, message->to,
                   message->number);
}

void check_end(struct checker *checker, uint64_t now_ms) {
    for (size_t i = 0; i < checker->count; i++)
        check_message_end(checker, &checker->messages[i], now_ms);
}
