// Names of things on the ledger. An account's is in wire/ids.h, because genesis and relays know it, too.
#ifndef SOTTO_LEDGER_IDS_H
#define SOTTO_LEDGER_IDS_H

#include "wire/ids.h"

struct tx_id {
    uint8_t bytes[32]; // H("sotto tx id 1", all bytes of the transaction)
};

struct block_id {
    uint8_t bytes[32]; // H("sotto block 1", header); zeros stand for no block (nil)
};

#endif
