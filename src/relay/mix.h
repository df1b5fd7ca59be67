// Packets waiting for their delay: bounded in number, ordered by the time they leave.
#ifndef SOTTO_RELAY_MIX_H
#define SOTTO_RELAY_MIX_H

#include "base/heap.h"
#include "relay/peel.h"

struct mix {
    struct heap heap;
    uint32_t count_max;
    uint32_t delay_ms_max;
};

// Takes the packet. ERR_FULL leaves it with the caller. A longer delay than the cap is the cap.
enum err mix_hold(struct mix *mix, struct onion_packet *packet, uint32_t delay_ms, uint64_t now_ms);
struct onion_packet *mix_due(struct mix *mix, uint64_t now_ms); // the caller frees it; NULL: none is due
uint64_t mix_next_ms(const struct mix *mix);
void mix_free(struct mix *mix);

#endif
