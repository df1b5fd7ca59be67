// Stepping stones: the headers that lead a light client from what it trusts to a height whose signers it does not know,
// because too many of the validators have been replaced in between. It asks a validator for the target, then for the
// height halfway to the nearest header that it cannot judge yet, until one can be judged, and from there on again;
// where the validators change with every block it comes down to one header after the other.
//
//   trusted .................................. target        too few of the trusted validators signed
//   trusted ............. middle ............. target        nor this one
//   trusted ... quarter . middle ............. target        this one: it is trusted now, and the next can be judged
//
//   idle -> dials a seed -> GET_LIGHT -> LIGHT -> pause -+-> target reached: idle
//            ^                  ^                        |
//            |                  +------------------------+
//            +- a while later: no answer, a wrong one, not held; what that peer sent and is not proved is dropped
//
// Nobody is believed: a header is trusted when light_update takes it, whoever sent it. The worst that peers can do is
// to be of no use. The same way fetches the block of a checkpoint.
#ifndef SOTTO_LEDGER_STONES_H
#define SOTTO_LEDGER_STONES_H

#include "base/step.h"
#include "ledger/light.h"
#include "ledger/message.h"

// Of one walk. A stone is at most 22 KB and leads, over two validators replaced, past at least one change of the set:
// whoever needs more goes on from where it came with the next walk.
#define STONES_MAX 4096
#define STONES_WALK_MS_MAX (10 * MINUTE_MS)

enum stones_end {
    STONES_REACHED, // stones_trusted is at the target
    STONES_FORK,    // over a third of the power that was trusted signed two histories
    STONES_GAVE_UP, // the seeds do not serve it, or not to the end
};

struct stones_config {
    const struct genesis *genesis; // outlives it
    struct relay_id self;          // not dialled
};

struct stones_ports {
    void *ctx;
    // Wants a ledger link to a seed: stones_up or stones_down follows. False: not now.
    bool (*dial)(void *ctx, struct step *step, const struct relay_id *id, const struct address *address);
    void (*send)(void *ctx, struct step *step, enum ledger_frame kind, struct span body);
    // The link, or the one being made, is wanted no more; stones_down does not follow.
    void (*hang_up)(void *ctx, struct step *step);
    void (*ended)(void *ctx, struct step *step, enum stones_end end); // the walk is over; another may begin
};

struct stones;

struct stones *stones_new(const struct stones_config *config, const struct stones_ports *ports);
void stones_free(struct stones *stones);
// Begins a walk to a height above that of `from`, or goes on from where the last one ended if that is on the way. None
// is under way.
void stones_walk(struct stones *stones, struct step *step, const struct light *from, uint64_t height);
// Fetches what belongs to a checkpoint, and trusts it. None is under way.
void stones_fetch(struct stones *stones, struct step *step, const struct light *from,
                  const struct checkpoint *checkpoint);
void stones_stop(struct stones *stones, struct step *step); // the walk is not wanted any more; `ended` is not called
bool stones_is_walking(const struct stones *stones);
// What has been proved so far, from the last `from` on; NULL before the first walk.
const struct light *stones_trusted(const struct stones *stones);

void stones_up(struct stones *stones, struct step *step);   // the link that was dialled stands
void stones_down(struct stones *stones, struct step *step); // it is lost, or was never made
// ERR_MALFORMED: the link is to be closed, and stones_down called. Frames that are not for it are passed over.
enum err stones_frame(struct stones *stones, struct step *step, uint8_t kind, struct span body);
void stones_tick(struct stones *stones, struct step *step);
uint64_t stones_next_ms(const struct stones *stones);

#endif
