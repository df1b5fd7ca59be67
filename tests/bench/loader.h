// Somebody with many accounts: sends transfers to the validators of a local network over ledger links, as any client
// does, and learns from the headers what became of them.
//
//   signed beforehand -> queue -> links, in turn by account -> ... -> status of validator 1 -> its headers: committed
#ifndef SOTTO_TESTS_BENCH_LOADER_H
#define SOTTO_TESTS_BENCH_LOADER_H

#include "testnet/plan.h"

struct loader;

// Links to all validators but the last, which may be killed meanwhile. NULL, with the reason on standard error, when
// they cannot be had.
struct loader *loader_new(const struct testnet *net);
void loader_free(struct loader *loader);

// Signs so many more transfers.
void loader_sign(struct loader *loader, size_t count);
// Sends what was signed for so long: per_s of them (0: as fast as blocks take them). Then false if a link was lost.
bool loader_run(struct loader *loader, uint32_t for_ms, uint32_t per_s);
void loader_send_one(struct loader *loader); // of what was signed
// Waits until all that was sent is committed; false: that does not come.
bool loader_settle(struct loader *loader);
// Forgets what was signed and not sent.
void loader_drop_unsent(struct loader *loader);
uint64_t loader_committed(const struct loader *loader); // so far
uint64_t loader_height(const struct loader *loader);

#endif
