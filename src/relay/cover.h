// Cover traffic of a relay: loops, packets to itself through two other relays, at Poisson times. They hide how much
// real traffic there is, and their loss tells of an attacker who delays or drops (the n-1 attack; Loopix, Piotrowska
// et al. 2017, section 4.2).
#ifndef SOTTO_RELAY_COVER_H
#define SOTTO_RELAY_COVER_H

#include "directory/directory.h"
#include "relay/keys.h"

#define COVER_MEAN_MS 2000
#define COVER_HOP_DELAY_MEAN_MS 50
#define COVER_LOST_MS 10000    // a loop not back by then is lost
#define COVER_WINDOW 50        // the last loops looked at
#define COVER_LOST_ALARM 10    // more of them lost (over 20 %) raise the alarm
#define COVER_UNDER_WAY_MAX 64 // about 5 are, with the mean above
#define COVER_ID_BYTES 16

struct cover_loop {
    uint8_t id[COVER_ID_BYTES];
    uint64_t sent_ms; // mono
};

struct cover {
    struct cover_loop under_way[COVER_UNDER_WAY_MAX]; // in the order sent
    size_t under_way_count;
    bool lost[COVER_WINDOW]; // a ring of the last outcomes
    size_t outcome_count;
    size_t outcome_next;
    size_t lost_count; // in the ring
    uint64_t next_ms;  // of the next loop, TIME_NEVER: no cover traffic
};

void cover_init(struct cover *cover, bool enabled);
void cover_start(struct cover *cover, struct step *step);
// Makes a loop if one is due and the directory allows it: the packet and the relay that gets it. Counts those that
// were lost.
bool cover_make(struct cover *cover, struct step *step, const struct directory *directory, const struct relay_id *self,
                const struct sphinx_relay_key *own, struct relay_id *first, uint8_t packet[static SPHINX_PACKET_BYTES]);
// A payload that reached this relay: true when it was one of its loops.
bool cover_returned(struct cover *cover, struct step *step, struct span body);
uint64_t cover_next_ms(const struct cover *cover);

#endif
