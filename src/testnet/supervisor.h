// The supervisor of a local network: one process that starts the nodes, watches them, and does what it is told over a
// socket in DIR. It outlives the command that started it.
#ifndef SOTTO_TESTNET_SUPERVISOR_H
#define SOTTO_TESTNET_SUPERVISOR_H

#include "testnet/plan.h"

// Runs until told to stop, or until SIGTERM or SIGINT; all nodes have ended then. `sottod` is the path of the daemon.
// Returns the exit status of the process. When it listens, `ready_fd` (unless -1) is closed after one byte.
int supervisor_run(const char *dir, const char *sottod, int ready_fd);

// Starts one as a daemon of its own session, its output in DIR/supervisor.log. Returns when it listens.
enum err supervisor_start(const struct testnet *net, const char *sottod, struct buf *why);

#endif
