// Subscriptions: an owner deposits reply blocks, and every item that comes is pushed through one of them. In memory
// only: a relay that restarts has none, and a client that hears nothing for a minute polls.
//
// What is pushed follows arrival numbers: all up to `cursor` have been pushed. A subscription that has fallen behind
// (reply blocks ran out, or it began with items waiting) catches up by scans; otherwise an item is pushed by the step
// that stores it. A long wait is a deposit with a deadline.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/hash.h"
#include "mailbox/mailbox_internal.h"

#define DEPOSITS_PER_MAILBOX 64
#define PURGE_INTERVAL_MS (5 * SECOND_MS)
// Pushes younger than this may still be on their way: a refill that does not know of them yet does not bring them
// again.
#define PUSH_FLIGHT_MS (10 * SECOND_MS)

// One long wait. Owned by the heap until its deadline; its deposits end no later.
struct wait {
    struct mailbox_id mailbox;
    bool answered;
};

struct deposit {
    struct deposit *next;
    struct wait *wait;   // NULL: stands until it is used or dies
    uint64_t drop_at_ms; // wall: when the keys of its hops are gone
    uint8_t surb[SPHINX_SURB_BYTES];
};

struct subscription {
    struct subscription *next; // in the bucket
    struct mailbox_id mailbox;
    uint64_t cursor;
    struct deposit *first; // the newest request's: an owner who starts anew has other handles than before
    size_t count;
    bool scanning;
    uint64_t scan_from;    // the cursor that the scan under way began at
    bool behind;           // there may be items beyond the cursor
    uint64_t pushed_at_ms; // mono
};

struct subscriptions {
    struct subscription **buckets;
    size_t bucket_count; // a power of two, 0 at first
    size_t count;
    size_t deposits; // in all
    struct heap waits;
    bool is_salted;
    uint8_t salt[32];
    uint64_t purge_at_ms;
};

struct subscriptions *subscriptions_new(void) {
    return NEW(struct subscriptions);
}

// ---- the table ----

// Salted: mailbox ids are anybody's choice, and must not be able to share one bucket.
static struct subscription **bucket_of(const struct subscriptions *all, const struct mailbox_id *id) {
    uint8_t hash[8];
    hash_keyed(hash, sizeof hash, all->salt, "sotto subscription 1", SPAN_OF(id->bytes));
    return &all->buckets[load_u64(hash) & (all->bucket_count - 1)];
}

static struct subscription *find(const struct subscriptions *all, const struct mailbox_id *id) {
    if (all->count == 0)
        return NULL;
    struct subscription *subscription = *bucket_of(all, id);
    while (subscription != NULL && !mailbox_id_equal(&subscription->mailbox, id))
        subscription = subscription->next;
    return subscription;
}

static void insert(struct subscriptions *all, struct subscription *subscription) {
    struct subscription **bucket = bucket_of(all, &subscription->mailbox);
    subscription->next = *bucket;
    *bucket = subscription;
}

static void grow(struct subscriptions *all) {
    struct subscription **old = all->buckets;
    size_t old_count = all->bucket_count;
    all->bucket_count = old_count > 0 ? 2 * old_count : 16;
    all->buckets = NEW_ARRAY(struct subscription *, all->bucket_count);
    for (size_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            struct subscription *moved = old[i];
            old[i] = moved->next;
            insert(all, moved);
        }
    }
    free(old);
}

static struct subscription *add(struct subscriptions *all, struct step *step, const struct mailbox_id *id) {
    if (!all->is_salted)
        rng_bytes(&step->env->rng, all->salt, sizeof all->salt);
    all->is_salted = true;
    if (all->count >= all->bucket_count)
        grow(all);
    struct subscription *subscription = NEW(struct subscription);
    subscription->mailbox = *id;
    insert(all, subscription);
    all->count++;
    return subscription;
}

// ---- deposits ----

static void drop_first(struct subscriptions *all, struct subscription *subscription) {
    struct deposit *gone = subscription->first;
    subscription->first = gone->next;
    subscription->count--;
    all->deposits--;
    free(gone);
}

// Drops the deposits that have died, or that belong to a wait.
static void drop_where(struct subscriptions *all, struct subscription *subscription, uint64_t wall_ms,
                       const struct wait *wait) {
    struct deposit *kept = NULL;
    struct deposit **last = &kept;
    for (struct deposit *deposit = subscription->first, *next; deposit != NULL; deposit = next) {
        next = deposit->next;
        if (deposit->drop_at_ms <= wall_ms || (wait != NULL && deposit->wait == wait)) {
            subscription->count--;
            all->deposits--;
            free(deposit);
            continue;
        }
        *last = deposit;
        last = &deposit->next;
    }
    *last = NULL;
    subscription->first = kept;
}

void subscriptions_free(struct subscriptions *all) {
    for (size_t i = 0; i < all->bucket_count; i++) {
        while (all->buckets[i] != NULL) {
            struct subscription *gone = all->buckets[i];
            all->buckets[i] = gone->next;
            drop_where(all, gone, UINT64_MAX, NULL);
            free(gone);
        }
    }
    for (struct wait *wait; (wait = heap_pop(&all->waits)) != NULL;)
        free(wait);
    heap_free(&all->waits);
    free(all->buckets);
    free(all);
}

// A reply block dies with the keys of its hops: its second byte of header tells their epoch, modulo 256. One that lies
// about it only fails earlier or later.
static uint64_t drop_time_ms(const struct genesis *genesis, const uint8_t *surb, uint32_t epoch) {
    uint8_t ahead = (uint8_t)(surb[sizeof(struct relay_id) + 1] - (uint8_t)epoch);
    uint32_t last = ahead < ONION_KEYS_AHEAD ? epoch + ahead : epoch;
    return epoch_start_ms(genesis, last + 1) + genesis->epoch_ms / 6;
}

static void deposit(struct mailbox *mailbox, struct subscription *subscription, const struct op *op,
                    struct wait *wait) {
    for (size_t i = op->surb_count; i-- > 0;) {
        struct deposit *deposit = NEW(struct deposit);
        deposit->next = subscription->first;
        deposit->wait = wait;
        deposit->drop_at_ms = drop_time_ms(mailbox->config.genesis, op->surbs[i], op->epoch);
        memcpy(deposit->surb, op->surbs[i], SPHINX_SURB_BYTES);
        subscription->first = deposit;
        subscription->count++;
        mailbox->subscriptions->deposits++;
    }
}

// ---- pushing ----

// Answers through the first living deposit; false when there is none.
static bool push(struct mailbox *mailbox, struct step *step, struct subscription *subscription,
                 const struct found *found, uint32_t waiting) {
    drop_where(mailbox->subscriptions, subscription, mailbox_wall_ms(mailbox, step), NULL);
    struct deposit *deposit = subscription->first;
    if (deposit == NULL)
        return false;
    struct reply reply = {.kind = OP_SUBSCRIBE,
                          .status = OP_OK,
                          .cursor = found->arrival,
                          .expiry_ms = found->expiry_ms,
                          .waiting = waiting,
                          .surbs_left = (uint8_t)(subscription->count - 1),
                          .item = found->item};
    if (deposit->wait != NULL)
        deposit->wait->answered = true;
    mailbox_answer(mailbox, step, deposit->surb, &reply);
    drop_first(mailbox->subscriptions, subscription);
    subscription->cursor = found->arrival;
    subscription->pushed_at_ms = step->now.mono_ms;
    metric_add(step->env->metrics, METRIC_MAILBOX_DELIVERED, 1);
    return true;
}

static void catch_up(struct mailbox *mailbox, struct step *step, struct subscription *subscription) {
    if (!subscription->behind || subscription->scanning || subscription->first == NULL)
        return;
    // Too many jobs under way: the next tick tries again.
    if (!fetch_for_subscription(mailbox, step, &subscription->mailbox, subscription->cursor))
        return;
    subscription->scanning = true;
    subscription->scan_from = subscription->cursor;
    subscription->behind = false;
}

void subscribe_stored(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id,
                      const struct found *item) {
    struct subscription *subscription = find(mailbox->subscriptions, id);
    if (subscription == NULL)
        return;
    if (subscription->behind || subscription->scanning || !push(mailbox, step, subscription, item, 0))
        subscription->behind = true;
}

void subscribe_found(struct mailbox *mailbox, struct step *step, const struct mailbox_id *id, const struct found *items,
                     size_t count, uint32_t waiting, uint64_t end) {
    struct subscription *subscription = find(mailbox->subscriptions, id);
    if (subscription == NULL)
        return;
    subscription->scanning = false;
    if (subscription->cursor < subscription->scan_from) { // set back meanwhile: there is more in front of these
        subscription->behind = true;
        catch_up(mailbox, step, subscription);
        return;
    }
    size_t pushed = 0;
    for (; pushed < count; pushed++) {
        const struct found *item = &items[pushed];
        if (item->arrival <= subscription->cursor)
            continue;
        if (!push(mailbox, step, subscription, item, waiting + (uint32_t)(count - 1 - pushed)))
            break;
    }
    if (pushed == count && end > subscription->cursor)
        subscription->cursor = end;
    if (pushed < count || waiting > 0)
        subscription->behind = true;
    catch_up(mailbox, step, subscription);
}

// ---- requests ----

void subscribe_execute(struct mailbox *mailbox, struct step *step, const struct op *op) {
    struct subscriptions *all = mailbox->subscriptions;
    struct subscription *subscription = find(all, &op->mailbox);
    if (subscription != NULL)
        drop_where(all, subscription, mailbox_wall_ms(mailbox, step), NULL);
    size_t held = subscription != NULL ? subscription->count : 0;
    if (held + op->surb_count > DEPOSITS_PER_MAILBOX ||
        all->deposits + op->surb_count > mailbox->config.subscriptions_max || all->count > all->deposits + 1024) {
        mailbox_answer_status(mailbox, step, op, OP_LIMIT);
        return;
    }
    bool is_new = subscription == NULL;
    if (is_new)
        subscription = add(all, step, &op->mailbox);
    bool in_flight = !is_new && step->now.mono_ms - subscription->pushed_at_ms < PUSH_FLIGHT_MS;
    if (is_new || op->cursor > subscription->cursor || !in_flight)
        subscription->cursor = op->cursor;
    struct wait *wait = NULL;
    if (op->wait_ms > 0) {
        wait = NEW(struct wait);
        wait->mailbox = op->mailbox;
        heap_push(&all->waits, step->now.mono_ms + op->wait_ms, wait);
    }
    deposit(mailbox, subscription, op, wait);
    subscription->behind = true;
    catch_up(mailbox, step, subscription);
    metric_set(step->env->metrics, METRIC_MAILBOX_DEPOSITS, (int64_t)all->deposits);
}

// ---- time ----

static void end_wait(struct mailbox *mailbox, struct step *step, struct wait *wait) {
    struct subscription *subscription = find(mailbox->subscriptions, &wait->mailbox);
    if (subscription == NULL)
        return;
    uint64_t wall_ms = mailbox_wall_ms(mailbox, step);
    const struct deposit *own = subscription->first;
    while (own != NULL && (own->wait != wait || own->drop_at_ms <= wall_ms))
        own = own->next;
    if (own != NULL && !wait->answered) {
        struct reply nothing = {.kind = OP_SUBSCRIBE, .status = OP_OK, .cursor = subscription->cursor};
        mailbox_answer(mailbox, step, own->surb, &nothing);
    }
    drop_where(mailbox->subscriptions, subscription, wall_ms, wait);
}

// Ends what has died, and takes up what had to wait for a free job.
static void purge(struct mailbox *mailbox, struct step *step) {
    struct subscriptions *all = mailbox->subscriptions;
    uint64_t wall_ms = mailbox_wall_ms(mailbox, step);
    for (size_t i = 0; i < all->bucket_count; i++) {
        for (struct subscription **at = &all->buckets[i]; *at != NULL;) {
            struct subscription *subscription = *at;
            drop_where(all, subscription, wall_ms, NULL);
            catch_up(mailbox, step, subscription);
            bool is_over = subscription->count == 0 && !subscription->scanning &&
                           step->now.mono_ms - subscription->pushed_at_ms >= PUSH_FLIGHT_MS;
            if (!is_over) {
                at = &subscription->next;
                continue;
            }
            *at = subscription->next;
            all->count--;
            free(subscription);
        }
    }
    metric_set(step->env->metrics, METRIC_MAILBOX_DEPOSITS, (int64_t)all->deposits);
}

void subscribe_tick(struct mailbox *mailbox, struct step *step) {
    struct subscriptions *all = mailbox->subscriptions;
    for (struct wait *wait; (wait = heap_pop_due(&all->waits, step->now.mono_ms)) != NULL;) {
        end_wait(mailbox, step, wait);
        free(wait);
    }
    if (all->count == 0 || step->now.mono_ms < all->purge_at_ms)
        return;
    all->purge_at_ms = step->now.mono_ms + PURGE_INTERVAL_MS;
    purge(mailbox, step);
}

uint64_t subscribe_next_ms(const struct mailbox *mailbox) {
    const struct subscriptions *all = mailbox->subscriptions;
    uint64_t wait_ms = heap_next_ms(&all->waits);
    uint64_t purge_ms = all->count > 0 ? all->purge_at_ms : TIME_NEVER;
    return wait_ms < purge_ms ? wait_ms : purge_ms;
}
