// A relay process under test, and this process as everybody else: the ledger's validator, the other relay of a network
// of two, and a client.
//
//   client end ──TLS──> sottod (RocksDB, its own identity) ──TLS──> relay end (validator, seed and second replica)
#ifndef SOTTO_TESTS_BENCH_BED_H
#define SOTTO_TESTS_BENCH_BED_H

#include <sys/types.h>
#include <time.h>

#include "base/time.h"
#include "bench.h"
#include "ledger/bundles.h"
#include "net/net.h"
#include "wire/cell.h"

// Cells given to a link at once: well below what net/ lets wait.
#define BED_BURST_CELLS 48

struct bed;

// One of this process's ends.
struct bed_end {
    struct bed *bed;
    struct net *net;
    uint64_t link; // 0: none
    uint8_t cell[CELL_BYTES];
    size_t cell_n;
    struct assembler assembler;
    size_t burst; // cells since the last drain
};

struct bed {
    char *place;
    pid_t process;
    clockid_t cpu_clock; // of the process
    struct uv_loop_s *loop;
    struct metrics *metrics;
    struct rng rng;
    struct genesis genesis;
    struct committee committee; // of one validator
    uint8_t own_seed[32];
    struct relay_id own;
    struct relay_id relay; // under test
    uint16_t own_port;
    uint16_t relay_port;
    uint16_t api_port;
    struct http_client *http;
    struct onion_keys onion; // the relay's
    struct directory *directory;
    struct buf bundle; // of the directory, as the relay gets it
    bool directory_sent;
    struct bed_end relay_end;
    struct bed_end client_end;
    uint64_t probed_ns;                              // when the last packet went out to see whether the relay forwards
    uint64_t packets;                                // that the relay end got
    void (*message)(struct bed *bed, struct span m); // replica messages at the relay end; may be NULL
    void *ctx;
};

// Starts the relay and waits until it forwards. NULL, with the reason on standard error, when it does not.
struct bed *bed_new(const struct bench *bench);
void bed_free(struct bed *bed);

// A packet of two hops, the relay and the relay end.
void bed_make_packet(struct bed *bed, uint8_t packet[static SPHINX_PACKET_BYTES]);
bool bed_may_send(const struct bed_end *end);
void bed_send(struct bed_end *end, const uint8_t cell[static CELL_BYTES]);
// Lets the loop run until done(ctx); calls it after every turn. False when that takes 30 s.
bool bed_run(struct bed *bed, bool (*done)(void *ctx), void *ctx);
uint64_t bed_cpu_ns(const struct bed *bed); // of the relay's process, all threads

#endif
