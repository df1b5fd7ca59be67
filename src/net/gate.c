// See gate.h. A token bucket a slot for the rate; counts for what is under way.
#include "net/gate.h"

#include "base/assert.h"
#include "base/time.h"

struct gate_slot *gate_slot(struct gate *gate, uint64_t tag) {
    return &gate->slots[tag % GATE_SLOTS];
}

// A bucket holds two seconds' worth; it fills in whole tokens so that nothing is lost to rounding.
static void fill(struct gate_slot *slot, uint32_t per_s, uint64_t mono_ms) {
    uint64_t most = 2 * (uint64_t)per_s;
    if (most > UINT16_MAX) {
        most = UINT16_MAX;
    }
    if (slot->filled_ms == 0) {
        slot->tokens = (uint16_t)most;
        slot->filled_ms = mono_ms;
        return;
    }
    uint64_t passed_ms = mono_ms - slot->filled_ms;
    uint64_t earned = passed_ms >= 2 * SECOND_MS ? most : passed_ms * per_s / SECOND_MS;
    if (earned == 0) {
        return;
    }
    slot->filled_ms = earned >= most ? mono_ms : slot->filled_ms + earned * SECOND_MS / per_s;
    slot->tokens = (uint16_t)(slot->tokens + earned > most ? most : slot->tokens + earned);
}

enum gate_verdict gate_enter(struct gate *gate, const struct net_limits *limits, uint64_t tag, uint64_t mono_ms) {
    struct gate_slot *slot = gate_slot(gate, tag);
    fill(slot, limits->accepts_per_address_s, mono_ms);
    if (slot->tokens == 0) {
        return GATE_RATE;
    }
    slot->tokens--;
    if (slot->links >= limits->links_per_address || gate->links >= limits->links_max) {
        return GATE_LINKS;
    }
    if (slot->handshakes >= limits->handshakes_per_address || slot->handshakes == UINT16_MAX ||
        gate->handshakes >= limits->handshakes_max) {
        return GATE_HANDSHAKES;
    }
    slot->links++;
    slot->handshakes++;
    gate->links++;
    gate->handshakes++;
    return GATE_PASS;
}

void gate_handshake_over(struct gate *gate, uint64_t tag) {
    struct gate_slot *slot = gate_slot(gate, tag);
    ASSERT(slot->handshakes > 0 && gate->handshakes > 0);
    slot->handshakes--;
    gate->handshakes--;
}

void gate_leave(struct gate *gate, uint64_t tag) {
    struct gate_slot *slot = gate_slot(gate, tag);
    ASSERT(slot->links > 0 && gate->links > 0);
    slot->links--;
    gate->links--;
}
