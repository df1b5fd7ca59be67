// A backup: the account's seed, its contacts and its mailboxes, sealed under a passphrase. Messages are not in it.
//
//   "sotto backup 1\n" 15 | network 32 | passes 4 | memory_kib 4 | salt 16 | nonce 24 | sealed
//   sealed (XChaCha20-Poly1305, all before it as associated data):
//     seed 32 | record count 4 | records n x (kind 1 | number 8 | length 2 | value)
#ifndef SOTTO_CLIENT_BACKUP_H
#define SOTTO_CLIENT_BACKUP_H

#include "base/kv.h"
#include "wire/ids.h"

// What a backup holds: the seed, and the records to put into an empty database. ERR_MALFORMED: no backup.
// ERR_AUTH: a wrong passphrase, or a damaged backup. Slow on purpose.
enum err client_restore(uint8_t seed[static 32], struct network_id *network, struct kv_batch *records,
                        struct span backup, struct span passphrase);

#endif
