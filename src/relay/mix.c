// The delay of the mix.
#include "relay/mix.h"

#include <stdlib.h>

enum err mix_hold(struct mix *mix, struct onion_packet *packet, uint32_t delay_ms, uint64_t now_ms) {
    if (mix->heap.count >= mix->count_max)
        return ERR_FULL;
    heap_push(&mix->heap, now_ms + (delay_ms < mix->delay_ms_max ? delay_ms : mix->delay_ms_max), packet);
    return OK;
}

struct onion_packet *mix_due(struct mix *mix, uint64_t now_ms) {
    return heap_pop_due(&mix->heap, now_ms);
}

uint64_t mix_next_ms(const struct mix *mix) {
    return heap_next_ms(&mix->heap);
}

void mix_free(struct mix *mix) {
    for (void *packet = heap_pop(&mix->heap); packet != NULL; packet = heap_pop(&mix->heap))
        free(packet);
    heap_free(&mix->heap);
}
