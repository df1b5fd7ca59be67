// What the machine tells about itself and about this process.
#ifndef SOTTO_HOST_SYSTEM_H
#define SOTTO_HOST_SYSTEM_H

#include "api/http.h"

// Both clocks.
struct now system_now(void);
// Changes when the machine starts anew. Random, and so never equal to an earlier one, where the system does not tell.
void system_boot_id(uint8_t boot_id[static 32]);
// start_wall_ms is the caller's.
void system_process(struct process_reading *out);
// Few arenas and early return of memory: for a process that should stay small. Before the first thread.
void system_save_memory(void);
// From here on what this process makes is its user's alone, whoever makes it: the store of a relay holds its onion
// keys, and its engine asks for the mode that the umask leaves.
void system_private_files(void);
// No core dumps, and no other process of the same user looks into this one: its memory holds keys and texts.
void system_no_dumps(void);
// Lets this process open as many files as the system allows it; returns how many.
uint64_t system_raise_file_limit(void);
// How many links others may open of so many files, when the store, the HTTP clients and our own dials keep theirs: a
// store that cannot open a file ends the node, and nobody from outside may bring that about.
uint32_t system_links_within(uint64_t files, uint32_t http_clients);
// Makes a folder of mode 0700 if it is not there. ERR_IO with a text in `why`.
enum err system_make_folder(const char *path, struct buf *why);

#endif
