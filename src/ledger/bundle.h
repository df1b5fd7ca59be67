// What a relay serves to light clients, in one piece: a directory, the proof that it is the ledger's, and the header
// that the proof leads to with the certificate and the validators that stand for it.
//
//   version 1 | epoch 4 | directory length 4 | directory | proof length 2 | proof | header | certificate | validators
#ifndef SOTTO_LEDGER_BUNDLE_H
#define SOTTO_LEDGER_BUNDLE_H

#include "ledger/light.h"
#include "ledger/tree.h"

#define BUNDLE_DIRECTORY_BYTES_MAX (960 * 1024)
#define BUNDLE_BYTES_MAX                                                                                              \
    (1 + 4 + 4 + BUNDLE_DIRECTORY_BYTES_MAX + 2 + TREE_PROOF_BYTES_MAX + BLOCK_HEADER_BYTES + CERTIFICATE_BYTES_MAX + \
     VALIDATOR_SET_BYTES_MAX)

struct ledger_bundle {
    uint32_t epoch;
    struct span directory; // its bytes, of which the state holds the hash; points into the input
    struct span proof;     // of that entry, under header.state_root; points into the input
    struct block_header header;
    struct certificate certificate;
    struct validator_set validators; // of the header's height
};

void bundle_encode(struct buf *out, const struct ledger_bundle *bundle); // appends
enum err bundle_decode(struct ledger_bundle *out, struct span bytes);    // ERR_MALFORMED
// ERR_AUTH unless the state under the header that `light` trusts, which after light_update is the bundle's, holds this
// directory for the bundle's epoch. ERR_MALFORMED: the proof is none.
enum err bundle_verify(const struct ledger_bundle *bundle, const struct light *light);

#endif
