// Cover traffic of the balanced profile: packets to ourselves, in a Poisson process with a mean of 10 s. Those that do
// not come back tell of somebody who drops or delays traffic.
#include "client/client_internal.h"

#define LOOP_MEAN_MS (10 * SECOND_MS)
#define LOOP_LOST_MS (15 * SECOND_MS) // five hops of at most 16 x 50 ms each, and slow links
#define LOOP_ALARM_PER_CENT 20

static void loops_schedule(struct client *client, struct step *step) {
    client->loops.next_ms = step->now.mono_ms + rng_exponential_ms(&step->env->rng, LOOP_MEAN_MS);
    client_wake(client, &client->loops.wake_ms, client->loops.next_ms, WAKE_LOOP, 0);
}

void loops_due(struct client *client, struct step *step) {
    if (client->config.profile != PROFILE_BALANCED)
        return;
    if (client->loops.next_ms > 0 && step->now.mono_ms < client->loops.next_ms) {
        client_wake(client, &client->loops.wake_ms, client->loops.next_ms, WAKE_LOOP, 0);
        return;
    }
    if (client->loops.next_ms > 0 && path_open(client))
        path_loop(client, step, LOOP_LOST_MS);
    loops_schedule(client, step);
}

void loops_result(struct client *client, struct step *step, bool lost) {
    struct loops *loops = &client->loops;
    if (loops->count == LOOPS_REMEMBERED)
        loops->lost_count -= loops->lost[loops->at];
    else
        loops->count++;
    loops->lost[loops->at] = lost;
    loops->lost_count += lost;
    loops->at = (loops->at + 1) % LOOPS_REMEMBERED;
    if (lost)
        metric_add(step->env->metrics, METRIC_CLIENT_LOOPS_LOST, 1);
    bool alarm =
        loops->count == LOOPS_REMEMBERED && loops->lost_count * 100 > (uint64_t)LOOPS_REMEMBERED * LOOP_ALARM_PER_CENT;
    metric_set(step->env->metrics, METRIC_CLIENT_LOOP_ALARM, alarm);
}
