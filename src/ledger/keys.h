// Keys of the ledger in the node's store: KV_SPACE_LEDGER, a letter, and what it is about.
#ifndef SOTTO_LEDGER_KEYS_H
#define SOTTO_LEDGER_KEYS_H

enum ledger_space {
    LEDGER_STATE = 's',        // state entries (state.h)
    LEDGER_TREE = 't',         // pages of the tree over them (tree.h)
    LEDGER_ROOT = 'T',         // nothing else: the tree's root slot
    LEDGER_DIRECTORIES = 'D',  // epoch 4: bytes of its directory
    LEDGER_LISTED = 'M',       // epoch 4: ids of the relays in it
    LEDGER_HEAD = 'h',         // nothing else: height of the head 8 | lowest height held 8
    LEDGER_HEADERS = 'H',      // height 8: header of the block
    LEDGER_BLOCKS = 'b',       // height 8: the rest of the block
    LEDGER_CANDIDATES = 'k',   // block id 32: a block on which consensus may be locked; without an id: the list of them
    LEDGER_CERTIFICATES = 'c', // height 8: certificate of the block
    LEDGER_RESULTS = 'r',      // height 8: what became of each transaction, a byte each
    LEDGER_HEIGHTS = 'i',      // block id 32: height 8
    LEDGER_TX_PLACES = 'x',    // transaction id 32: height 8 | index 4
    LEDGER_ACCOUNTS = 'a',     // account 32: number of its transactions 8 | ids 32 of the last ones, less than eight
    LEDGER_ACCOUNT_TXS = 'n',  // account 32 | number from 0 8: ids 32 of its transactions, eight by eight
    LEDGER_EARNED = 'w',       // relay 32: deliveries paid 8 | grains 8
    LEDGER_SETS = 'v',         // hash 32: validator set
    LEDGER_BUNDLES = 'd',      // epoch 4: its directory as relays and clients get it
    LEDGER_TRUSTED = 'l',      // nothing else: what the light client trusts
    LEDGER_FORKED = 'f',       // nothing else: it has seen a fork of that (light_role.c)
};

#endif
