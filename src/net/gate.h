// The gate before the handshake: how many connections one address may have, and how fast it may make new ones.
// Constant memory: addresses share a fixed table by keyed hash, so a stranger cannot choose whom it shares with.
#ifndef SOTTO_NET_GATE_H
#define SOTTO_NET_GATE_H

#include "net/net.h"

#define GATE_SLOTS 4096 // 64 KiB; two of a hundred active addresses share one slot with probability 0.7

enum gate_verdict { GATE_PASS, GATE_LINKS, GATE_HANDSHAKES, GATE_RATE };

struct gate_slot {
    uint32_t links; // open or opening
    uint16_t handshakes;
    uint16_t tokens; // in accepts
    uint64_t filled_ms;
};

struct gate {
    struct gate_slot slots[GATE_SLOTS];
    uint32_t handshakes; // of all
    uint32_t links;
};

// The slot of an address tag: its low bits.
struct gate_slot *gate_slot(struct gate *gate, uint64_t tag);
// On GATE_PASS a handshake and a link have been entered.
enum gate_verdict gate_enter(struct gate *gate, const struct net_limits *limits, uint64_t tag, uint64_t mono_ms);
void gate_handshake_over(struct gate *gate, uint64_t tag);
void gate_leave(struct gate *gate, uint64_t tag);

#endif
