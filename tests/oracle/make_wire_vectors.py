#!/usr/bin/env python3
"""Makes docs/spec/vectors/{cells,links,mailbox,directory,genesis,replication}.json, always the same.

Usage: make_wire_vectors.py VECTORS_FOLDER
"""

import hashlib
import json
import pathlib
import sys

import ed25519_oracle as ed25519
import wire_oracle as o


def drawn(label, n=32):
    """Bytes that are the same in every run."""
    return hashlib.shake_256(b"sotto wire vectors " + label.encode()).digest(n)


VALIDATORS = sorted(ed25519.public_of(drawn(f"validator {i}")).hex() for i in range(3))
GENESIS = f"""sotto-genesis 1
name vectors
testnet true
genesis_ms 1790000000000
epoch_ms 60000
replicas 3
quorum 2
min_relays 5
item_lifetime_ms 604800000
stamp_bits 8
tick_ms 10
profile balanced
consensus poa
block_ms 2000
fee_min 1000
relay_stake_min 1000000
validator_stake_min 1000000
unbonding_ms 1814400000
slash_percent 5
reward_pool 500000000
reward_per_epoch 1000000
samples 8
validator {VALIDATORS[0]} {drawn("operator 0").hex()} 1
validator {VALIDATORS[1]} {drawn("operator 1").hex()} 1
validator {VALIDATORS[2]} {drawn("operator 1").hex()} 2
account {"0a" * 32} 1
account {"0b" * 32} {2**60 - 2 - 500000000}
seed {ed25519.public_of(drawn("relay 0")).hex()} 127.0.0.1:7070
seed {ed25519.public_of(drawn("relay 1")).hex()} [2001:db8::1]:65535
"""
NETWORK = o.network_of(GENESIS)
MAILBOX_SEED = drawn("mailbox")
MAILBOX = ed25519.public_of(MAILBOX_SEED)
EPOCH, CLOCK, EXPIRY = 7, 1790000400123, 1790600000000


# ---- cells ----

def trimmed(cell):
    """Zero bytes at the end are left out: nearly all of a cell is one long body."""
    return cell.rstrip(b"\0").hex()


def cell_case(kind, flags, body):
    return {"kind": kind, "flags": flags, "body": body.hex(), "cell": trimmed(o.cell(kind, flags, body))}


def message_case(n):
    message = drawn(f"message {n}", n)
    return {"message": message.hex(), "cells": [trimmed(cell) for cell in o.message_cells(message)]}


def refused_cells():
    packet = drawn("packet", 2418)
    good = o.cell(3, 3, b"text")
    yield "an unknown kind", o.cell(4, 0, packet)
    yield "flags on a packet", o.cell(1, 1, packet)
    yield "a short packet", o.cell(1, 0, packet[:2417])
    yield "a reply of another length", o.cell(2, 0, packet[:2065])
    yield "a dummy with a length", o.cell(0, 0, b"a")
    yield "an unknown flag", o.cell(3, 7, b"text")
    yield "an empty part", o.cell(3, 3, b"")
    yield "a part that is neither full nor the last", o.cell(3, 1, packet[:2417])
    yield "a length beyond the body", good[:2] + o.u16(2419) + good[4:]
    yield "a reserved byte", good[:5] + b"\1" + good[6:]
    yield "a byte behind the part", good[:-1] + b"\1"


def cells():
    packet = drawn("packet", 2418)
    return {
        "cells": [cell_case(0, 0, b""), cell_case(1, 0, packet), cell_case(2, 0, packet[:2064]),
                  cell_case(3, 1, packet), cell_case(3, 0, packet), cell_case(3, 2, b"text"), cell_case(3, 3, b"t")],
        "messages": [message_case(n) for n in (1, 2418, 2419, 5000)],
        "refused": [{"why": why, "cell": trimmed(cell)} for why, cell in refused_cells()],
    }


# ---- links ----

def moved_relay(i, host="2001:db8::2", port=7071, **fields):
    return o.address_record(drawn(f"relay {i}"), NETWORK, host, port, CLOCK, **fields)


ADDRESS_RECORDS = sorted((moved_relay(1), moved_relay(2, "a" * 63, 65535)), key=lambda record: record[1:33])


def refused_messages():
    yield "a hello cut short", o.hello(1, NETWORK, 5, CLOCK)[:-1]
    yield "a hello with a byte behind it", o.hello(1, NETWORK, 5, CLOCK) + b"\0"
    yield "no handles", o.handles([])
    yield "65 handles", o.handles([drawn("handle", 16)] * 65)
    yield "a handle too few", o.u8(16) + o.u8(2) + drawn("handle", 16)
    yield "a ping of 9 bytes", o.ping(2, 1) + b"\0"
    yield "an epoch of 3 bytes", o.get_directory(1)[:-1]
    yield "a question for addresses that says more", o.get_addresses() + b"\0"
    yield "addresses out of order", o.addresses(ADDRESS_RECORDS[::-1])
    yield "a relay's address twice", o.addresses(ADDRESS_RECORDS[:1] * 2)
    yield "an address too few", o.addresses(ADDRESS_RECORDS)[:-len(ADDRESS_RECORDS[1])]
    yield "addresses with a byte behind them", o.addresses(ADDRESS_RECORDS) + b"\0"
    yield "addresses cut short", o.addresses(ADDRESS_RECORDS)[:-1]
    yield "4097 addresses", o.u8(7) + o.u16(4097)
    yield "an address of port 0", o.addresses([moved_relay(1, port=0)])
    yield "an address without a host", o.addresses([moved_relay(1, host="")])
    yield "an address of another version", o.addresses([moved_relay(1, version=2)])
    yield "an unknown kind", o.ping(15, 1)
    yield "nothing", b""


def links():
    some = [drawn(f"handle {i}", 16) for i in range(3)]
    return {
        "hello": {"version": 1, "network": NETWORK.hex(), "epoch": 5, "wall_ms": CLOCK,
                  "message": o.hello(1, NETWORK, 5, CLOCK).hex()},
        "ping": {"token": CLOCK, "message": o.ping(2, CLOCK).hex()},
        "pong": {"token": CLOCK, "message": o.ping(3, CLOCK).hex()},
        "get_directory": {"epoch": 5, "message": o.get_directory(5).hex()},
        "directory": {"epoch": 5, "bundle": b"bundle".hex(), "message": o.directory_answer(5, b"bundle").hex()},
        "no_directory": {"epoch": 5, "bundle": "", "message": o.directory_answer(5, b"").hex()},
        "handles": {"handles": [handle.hex() for handle in some], "message": o.handles(some).hex()},
        "get_addresses": {"message": o.get_addresses().hex()},
        "addresses": {"records": [record.hex() for record in ADDRESS_RECORDS],
                      "message": o.addresses(ADDRESS_RECORDS).hex()},
        "no_addresses": {"records": [], "message": o.addresses([]).hex()},
        "refused": [{"why": why, "message": message.hex()} for why, message in refused_messages()],
    }


# ---- mailbox ----

ITEM = o.commitment(drawn("delivery secret")) + drawn("sealed", 1472)
ITEM_HASH = o.item_hash(NETWORK, MAILBOX, EXPIRY, ITEM)
SURBS = [drawn(f"surb {i}", o.SURB) for i in range(4)]
RELAY_SEEDS = [drawn(f"relay {i}") for i in range(7)]
RELAY_IDS = [ed25519.public_of(seed) for seed in RELAY_SEEDS]


def owners_case(kind, arguments, surbs, **fields):
    body = o.owners(kind, EPOCH, MAILBOX, CLOCK, arguments, surbs, NETWORK, RELAY_IDS[2], MAILBOX_SEED)
    return {"kind": kind, "epoch": EPOCH, "time_ms": CLOCK, "surbs": len(surbs), **fields, "body": body.hex()}


def operations():
    deletes = [(drawn(f"deleted {i}"), drawn(f"delivered {i}")) for i in range(2)]
    policy = [(o.token_hash(drawn(f"token {i}")), 100 + i) for i in range(3)]
    token = drawn("token 0")
    return [
        {"kind": o.STORE, "epoch": EPOCH, "expiry_ms": EXPIRY, "token": token.hex(), "stamp": 99, "surbs": 1,
         "body": o.store(EPOCH, MAILBOX, EXPIRY, token, 99, ITEM, SURBS[0]).hex()},
        owners_case(o.FETCH, o.fetch_arguments(12), SURBS, cursor=12),
        owners_case(o.SUBSCRIBE, o.subscribe_arguments(2**40, 60000), SURBS[:2], cursor=2**40, wait_ms=60000),
        owners_case(o.DELETE, o.delete_arguments(2**63 - 5, deletes), SURBS[:1], stamp=2**63 - 5,
                    deletes=[{"item": item.hex(), "secret": secret.hex()} for item, secret in deletes]),
        owners_case(o.POLICY, o.policy_arguments(98, 3, policy), SURBS[:1], stamp=98, version=3,
                    policy=[{"token": token.hex(), "quota": quota} for token, quota in policy]),
        owners_case(o.POLICY, o.policy_arguments(98, 4, []), SURBS[:1], stamp=98, version=4, policy=[]),
    ]


def refused_operations():
    def owned(kind, arguments, surbs):
        return o.owners(kind, EPOCH, MAILBOX, CLOCK, arguments, surbs, NETWORK, RELAY_IDS[2], MAILBOX_SEED)

    good = owned(o.FETCH, o.fetch_arguments(1), SURBS[:1])
    entry = (bytes(32), bytes(32))
    yield "an unknown operation", o.u8(6) + good[1:]
    yield "cut short", good[:-1]
    yield "a byte behind it", good + b"\0"
    yield "no SURB", owned(o.FETCH, o.fetch_arguments(1), [])
    yield "five SURBs", owned(o.FETCH, b"", [])[:45] + o.u64(1) + o.counted(SURBS + SURBS[:1]) + bytes(64)
    yield "two SURBs for a deletion", owned(o.DELETE, o.delete_arguments(0, [entry]), SURBS[:2])
    yield "a deletion of nothing", owned(o.DELETE, o.delete_arguments(0, []), SURBS[:1])
    yield "a deletion of nine items", owned(o.DELETE, o.delete_arguments(0, [entry] * 9), SURBS[:1])
    yield "a policy of 65 tokens", owned(o.POLICY, o.policy_arguments(0, 1, [(bytes(16), 1)] * 65), SURBS[:1])
    yield "a wait of over a minute", owned(o.SUBSCRIBE, o.subscribe_arguments(0, 60001), SURBS[:1])
    yield "a store with two SURBs", o.store(EPOCH, MAILBOX, EXPIRY, bytes(32), 0, ITEM, SURBS[0] + SURBS[1])


def signed_receipts(relays, ranks):
    return [(i, rank, o.receipt(seed, NETWORK, EPOCH, [ed25519.public_of(s) for s in relays], rank, ITEM[:32], MAILBOX,
                                ITEM_HASH, EXPIRY)) for i, (seed, rank) in enumerate(zip(relays, ranks))]


def replies():
    receipts = signed_receipts(RELAY_SEEDS[:3], [0, 1, 4])
    return [
        {"kind": o.STORE, "status": 0, "ranks": [0, 1, 4],
         "body": o.store_reply(EPOCH, CLOCK, EPOCH, RELAY_IDS[:3], receipts).hex()},
        {"kind": o.STORE, "status": 6, "stamp_bits": 20, "body": (o.reply_head(o.STORE, 6, EPOCH, CLOCK) + o.u8(20)).hex()},
        {"kind": o.STORE, "status": 7, "body": o.reply_head(o.STORE, 7, EPOCH, CLOCK).hex()},
        {"kind": o.FETCH, "status": 0, "cursor": 13, "expiry_ms": EXPIRY, "waiting": 2, "surbs_left": 3,
         "item": ITEM.hex(), "body": o.item_reply(o.FETCH, EPOCH, CLOCK, 13, EXPIRY, 2, 3, ITEM).hex()},
        {"kind": o.SUBSCRIBE, "status": 0, "cursor": 13, "expiry_ms": 0, "waiting": 0, "surbs_left": 0, "item": "",
         "body": o.item_reply(o.SUBSCRIBE, EPOCH, CLOCK, 13, 0, 0, 0, b"").hex()},
        {"kind": o.DELETE, "status": 0, "body": o.reply_head(o.DELETE, 0, EPOCH, CLOCK).hex()},
        {"kind": o.POLICY, "status": 1, "body": o.reply_head(o.POLICY, 1, EPOCH, CLOCK).hex()},
    ]


def refused_replies():
    head = o.reply_head(o.STORE, 0, EPOCH, CLOCK) + o.u32(EPOCH)
    yield "an unknown status", o.reply_head(o.DELETE, 12, EPOCH, CLOCK)
    yield "an unknown operation", o.reply_head(6, 0, EPOCH, CLOCK)
    yield "an empty set", head + o.counted([]) + o.counted([])
    yield "a set of four", head + o.counted(RELAY_IDS[:4]) + o.counted([])
    yield "more receipts than relays", head + o.counted(RELAY_IDS[:1]) + o.counted([bytes(66)] * 2)
    yield "a receipt of nobody in the set", head + o.counted(RELAY_IDS[:2]) + o.counted([o.u8(2) + bytes(65)])
    yield "an item neither there nor not", o.item_reply(o.FETCH, EPOCH, CLOCK, 0, 0, 0, 0, b"")[:-1] + b"\2"
    yield "a stamp's status without its bits", o.reply_head(o.STORE, 6, EPOCH, CLOCK)
    yield "a byte behind it", o.reply_head(o.DELETE, 0, EPOCH, CLOCK) + b"\0"


def stamp_with(zeros, zeros_of):
    stamp = 0
    while zeros_of(stamp) < zeros:
        stamp += 1
    return {"stamp": stamp, "zeros": zeros_of(stamp)}


def stamps(zeros_of):
    return [stamp_with(zeros, zeros_of) for zeros in (0, 4, 8, 12)]


def mailbox():
    secret, token = drawn("delivery secret"), drawn("token 0")
    return {
        "network": NETWORK.hex(), "replica": RELAY_IDS[2].hex(), "mailbox_seed": MAILBOX_SEED.hex(),
        "mailbox": MAILBOX.hex(), "expiry_ms": EXPIRY, "item": ITEM.hex(), "item_hash": ITEM_HASH.hex(),
        "surbs": [surb.hex() for surb in SURBS],
        "secret": secret.hex(), "commitment": o.commitment(secret).hex(),
        "token": token.hex(), "token_hash": o.token_hash(token).hex(),
        "stamps": stamps(lambda stamp: o.stamp_zeros(NETWORK, MAILBOX, ITEM_HASH, stamp)),
        "mailbox_stamps": stamps(lambda stamp: o.mailbox_stamp_zeros(NETWORK, MAILBOX, stamp)),
        "operations": operations(), "replies": replies(),
        "relay_seeds": [seed.hex() for seed in RELAY_SEEDS[:3]],
        "refused_operations": [{"why": why, "body": body.hex()} for why, body in refused_operations()],
        "refused_replies": [{"why": why, "body": body.hex()} for why, body in refused_replies()],
    }


# ---- directory ----

HOSTS = ["127.0.0.1", "2001:db8::1", "relay-2.example", "relay_3", "a" * 63, "::ffff:192.0.2.1", "10.0.0.7"]


def relay(i):
    """What directory 7 lists of relay i. Relay 5 has retired; relay 6 has been away for three epochs."""
    return {"id": RELAY_IDS[i], "placement": drawn(f"placement {i}"), "host": HOSTS[i], "port": 7070 + i, "placed": i != 5,
            "since_epoch": 1 + i, "keys": [drawn(f"onion {i} {j}") for j in range(0 if i == 6 else 3 - i % 2)]}


RELAYS = sorted((relay(i) for i in range(7)), key=lambda r: r["id"])


def directory_of(relays=None, **changed):
    fields = {"epoch": EPOCH, "issued_ms": CLOCK, "changed_epoch": 6, "stamp_bits": 8, **changed}
    return o.directory(NETWORK, relays=RELAYS if relays is None else relays, **fields)


def shown(r):
    return {**r, "id": r["id"].hex(), "placement": r["placement"].hex(), "keys": [key.hex() for key in r["keys"]]}


def refused_address_records():
    good = o.address_record(RELAY_SEEDS[2], NETWORK, HOSTS[2], 7072, CLOCK)
    for host in ("", "a b", "256.1.1.1", "::1%lo", "a" * 64):
        yield f"host '{host}'", "malformed", o.address_record(RELAY_SEEDS[2], NETWORK, host, 7072, CLOCK)
    yield "port 0", "malformed", o.address_record(RELAY_SEEDS[2], NETWORK, HOSTS[2], 0, CLOCK)
    yield "cut short", "malformed", good[:-1]
    yield "a byte behind it", "malformed", good + b"\0"
    yield "another version", "malformed", o.address_record(RELAY_SEEDS[2], NETWORK, HOSTS[2], 7072, CLOCK, version=2)
    yield "another time", "signature", good[:40] + bytes([good[40] ^ 1]) + good[41:]
    yield "another relay's", "signature", good[:1] + RELAY_IDS[3] + good[33:]
    yield "another port", "signature", good[:-65] + bytes([good[-65] ^ 1]) + good[-64:]
    yield "another network's", "signature", o.address_record(RELAY_SEEDS[2], bytes(32), HOSTS[2], 7072, CLOCK)


def changed_relay(**fields):
    return [{**RELAYS[0], **fields}] + RELAYS[1:]


def refused_directories():
    good = directory_of()
    yield "epoch 0", "malformed", directory_of([], epoch=0, changed_epoch=0)
    yield "changed after its own epoch", "malformed", directory_of(changed_epoch=8)
    yield "relays out of order", "malformed", directory_of(RELAYS[::-1])
    yield "a relay twice", "malformed", directory_of(RELAYS[:1] + RELAYS)
    yield "a relay since an epoch to come", "malformed", directory_of(changed_relay(since_epoch=8))
    yield "four keys", "malformed", directory_of(changed_relay(keys=[drawn("k")] * 4))
    yield "a key of zeros", "malformed", directory_of(changed_relay(keys=[bytes(32)]))
    yield "neither placed nor not", "malformed", directory_of(changed_relay(placed=2))
    for host in ("", "a b", "a..b", "-a", "1.2.3", "256.1.1.1", "1:2", "::1%lo", "a" * 64):
        yield f"host '{host}'", "malformed", directory_of(changed_relay(host=host))
    yield "port 0", "malformed", directory_of(changed_relay(port=0))
    yield "a byte behind the relays", "malformed", good + b"\0"
    yield "cut short", "malformed", good[:-1]
    yield "another version", "malformed", b"\2" + good[1:]
    yield "another network's", "network", good[:1] + bytes(32) + good[33:]


def placement_case(i):
    mailbox_id = drawn(f"placed mailbox {i}")
    return {"mailbox": mailbox_id.hex(), "ranks": [r.hex() for r in o.placement(RELAYS, mailbox_id, 3)]}


def receipts_case():
    """Receipts that a sender accepts: of the relays that directory 7 ranks 0, 2 and 4 for the mailbox."""
    ranked = o.placement(RELAYS, MAILBOX, 3)
    seeds = {ed25519.public_of(seed): seed for seed in RELAY_SEEDS}
    chosen = [ranked[rank] for rank in (0, 2, 4)]
    receipts = signed_receipts([seeds[r] for r in chosen], [0, 2, 4])
    return {"mailbox": MAILBOX.hex(), "item": ITEM.hex(), "expiry_ms": EXPIRY, "valid": 3,
            "reply": o.store_reply(EPOCH, CLOCK, EPOCH, chosen, receipts).hex()}


def directory():
    return {
        "genesis": GENESIS,
        "directory": {"epoch": EPOCH, "issued_ms": CLOCK, "changed_epoch": 6, "stamp_bits": 8,
                      "relays": [shown(r) for r in RELAYS], "bytes": directory_of().hex()},
        "empty": directory_of([]).hex(),
        "address_record": {"relay_seed": RELAY_SEEDS[2].hex(), "id": RELAY_IDS[2].hex(), "signed_ms": CLOCK,
                           "host": HOSTS[1], "port": 7073,
                           "bytes": o.address_record(RELAY_SEEDS[2], NETWORK, HOSTS[1], 7073, CLOCK).hex()},
        "placements": [placement_case(i) for i in range(5)],
        "receipts": receipts_case(),
        "refused_address_records": [{"why": why, "error": error, "bytes": data.hex()}
                                    for why, error, data in refused_address_records()],
        "refused_directories": [{"why": why, "error": error, "bytes": data.hex()}
                                for why, error, data in refused_directories()],
    }


# ---- genesis ----

LINES = GENESIS.splitlines(keepends=True)
# With pos the last validator, whose operator is another's, too, has one of its own.
STAKED_LINE = (25, f"validator {VALIDATORS[2]} {drawn('operator 2').hex()} 2\n")


def replaced(*replacements):
    """The genesis with some of its lines (by number in the whole text) replaced."""
    lines = list(LINES)
    for number, line in replacements:
        lines[number - 1] = line
    return "".join(lines)


def refused_lines():
    key, operator = drawn("a key").hex(), drawn("operator 0").hex()
    yield from ((1, "sotto-genesis 2\n"), (2, "name \n"), (2, "name two words\n"), (3, "testnet yes\n"), (4, "genesis_ms 01\n"),
                (5, "epoch_ms 999\n"), (5, "\n"), (6, "replicas 4\n"), (6, "quorum 2\n"), (7, "quorum 1\n"),
                (8, "min_relays 4097\n"), (9, "item_lifetime_ms 1209600001\n"), (10, "stamp_bits 41\n"), (11, "tick_ms -1\n"),
                (12, "profile quick\n"))
    yield from ((13, "consensus pow\n"), (13, ""), (13, f"key {key}\n"), (14, "block_ms 3600001\n"), (15, f"fee_min {2**60}\n"),
                (16, ""), (17, "validator_stake_min 0\n"), (18, "unbonding_ms 999\n"), (19, "slash_percent 101\n"),
                (21, f"reward_per_epoch {2**60}\n"), (22, "samples 0\n"), (22, "samples 65\n"))
    yield from ((23, f"validator {VALIDATORS[0]} {operator} 0\n"), (23, f"validator {VALIDATORS[0]} {operator}\n"),
                (23, f"validator {VALIDATORS[0]} 1\n"), (23, f"validator {VALIDATORS[0].upper()} {operator} 1\n"),
                (23, f"validator {VALIDATORS[0][:-1]} {operator} 1\n"), (24, LINES[22]),
                (24, f"validator {VALIDATORS[1]} {operator} {2**60 - 1}\n"), (26, f"account {'0a' * 32} 0\n"),
                (27, f"account {'0a' * 32} 1\n"), (27, f"account {'0b' * 32} {2**60 - 1 - 500000000}\n"))
    yield from ((28, f"seed {key}\n"), (28, f"seed {key} a:0\n"), (28, f"seed {key} ::1:7070\n"))


def refused_genesis():
    for number, line in refused_lines():
        yield replaced((number, line)), number
    yield GENESIS.replace("tick_ms 10\n", ""), 11
    yield GENESIS.replace("\n", "\r\n"), 1
    yield GENESIS[:-1], 29
    yield GENESIS + "\n", 30
    yield replaced((6, "replicas 2\n"), (7, "quorum 3\n")), 7
    yield "".join(LINES[:12] + LINES[27:]), 13
    yield replaced((23, ""), (24, ""), (25, "")), 23
    yield replaced((13, "consensus pos\n"), STAKED_LINE), 27
    yield replaced((13, "consensus pos\n")), 25
    yield "".join(LINES[:27]), 28


def genesis():
    mainnet = replaced((3, "testnet false\n")).replace("[2001:db8::1]:65535", "relay.example:1")
    least = GENESIS.replace("epoch_ms 60000", "epoch_ms 1000").replace("profile balanced", "profile fast")
    staked = replaced((13, "consensus pos\n"), (14, "block_ms 0\n"), STAKED_LINE, (26, ""), (27, ""))
    start = 1790000000000
    return {
        "networks": [{"text": text, "network": o.network_of(text).hex()} for text in (GENESIS, mainnet, least, staked)],
        "epochs": [{"wall_ms": start + ms, "epoch": epoch} for ms, epoch in (
            (-1, 0), (0, 1), (59999, 1), (60000, 2), (60000 * 99, 100), (60000 * 100 - 1, 100))],
        "refused": [{"text": text, "line": line} for text, line in refused_genesis()],
    }


# ---- replication ----

def replica_messages():
    relays, receipts = RELAY_IDS[:3], signed_receipts(RELAY_SEEDS[:3], [0, 1, 4])
    token, serial = drawn("token 0"), 2**62 + 77
    operation = o.owners(o.DELETE, EPOCH, MAILBOX, CLOCK, o.delete_arguments(0, [(ITEM_HASH, drawn("delivery secret"))]),
                         SURBS[:1], NETWORK, RELAY_IDS[2], MAILBOX_SEED)
    entries = [(1, MAILBOX, ITEM_HASH, EXPIRY), (2, MAILBOX, drawn("deleted"), EXPIRY), (3, MAILBOX, bytes(32), 6)]
    digests = [drawn(f"digest {i}", 32) for i in range(512)]
    buckets = drawn("buckets", 64)
    yield "replicate", {"id": 9, "epoch": EPOCH, "token": token.hex(), "stamp": 99}, o.replicate(
        9, EPOCH, relays, MAILBOX, EXPIRY, token, 99, ITEM)
    yield "receipt", {"id": 9, "epoch": EPOCH, "status": 0}, o.receipt_message(9, 0, EPOCH, receipts[2])
    yield "refused", {"id": 9, "epoch": EPOCH, "status": 8}, o.receipt_message(9, 8, EPOCH, (0, 0, bytes(64)))
    yield "receipts", {"epoch": EPOCH}, o.receipts_message(MAILBOX, ITEM_HASH, EPOCH, relays, receipts)
    yield "owned", {"id": 9, "operation": operation.hex()}, o.owned(9, RELAY_IDS[2], operation)
    yield "item", {"id": serial, "token_hash": o.token_hash(token).hex(), "stamp": 97}, o.repair_item(
        serial, MAILBOX, EXPIRY, o.token_hash(token), 97, ITEM)
    yield "done", {"id": serial, "status": 10}, o.done(serial, 10)
    yield "root", {"epoch": EPOCH}, o.root_message(EPOCH, o.repair_root(digests))
    yield "digests", {"epoch": EPOCH}, o.digests_message(EPOCH, digests)
    yield "differ", {"epoch": EPOCH}, o.differ(EPOCH, buckets)
    yield "offer", {"id": serial, "count": 3}, o.offer(serial, entries)
    yield "answer", {"id": serial, "count": 3}, o.answer(serial, [0, 1, 2])


def refused_replica_messages():
    entry = (1, MAILBOX, ITEM_HASH, EXPIRY)
    whole = o.done(1, 0)
    yield "an unknown kind", o.u8(75) + whole[1:]
    yield "cut short", whole[:-1]
    yield "a byte behind it", whole + b"\0"
    yield "an unknown status", o.done(1, 12)
    yield "a set of nobody", o.replicate(1, EPOCH, [], MAILBOX, EXPIRY, bytes(32), 0, ITEM)
    yield "a set of four", o.replicate(1, EPOCH, RELAY_IDS[:4], MAILBOX, EXPIRY, bytes(32), 0, ITEM)
    yield "no receipts", o.receipts_message(MAILBOX, ITEM_HASH, EPOCH, RELAY_IDS[:2], [])
    yield "a receipt of nobody in the set", o.receipts_message(
        MAILBOX, ITEM_HASH, EPOCH, RELAY_IDS[:2], [(2, 0, bytes(64))])
    yield "an operation longer than any", o.owned(1, RELAY_IDS[0], bytes(2031))
    yield "an offer of nothing", o.offer(1, [])
    yield "an offer of 129 entries", o.offer(1, [entry] * 129)
    yield "an entry of an unknown kind", o.offer(1, [(4,) + entry[1:]])
    yield "an unknown answer", o.answer(1, [3])
    yield "digests too few", o.digests_message(EPOCH, [bytes(32)] * 511)


def replication():
    entries = sorted([(1, MAILBOX, ITEM_HASH, EXPIRY), (2, drawn("another mailbox"), ITEM_HASH, EXPIRY),
                      (3, MAILBOX, bytes(32), 6)], key=lambda entry: entry[1:3])
    return {
        "network": NETWORK.hex(), "mailbox": MAILBOX.hex(), "expiry_ms": EXPIRY, "item": ITEM.hex(),
        "item_hash": ITEM_HASH.hex(), "relays": [relay.hex() for relay in RELAY_IDS[:3]],
        "messages": [{"name": name, **fields, "message": message.hex()} for name, fields, message in replica_messages()],
        "refused": [{"why": why, "message": message.hex()} for why, message in refused_replica_messages()],
        "entries": [{"kind": kind, "mailbox": mailbox.hex(), "item": item.hex(), "number": number,
                     "bucket": o.repair_bucket(mailbox), "digest": o.digest_add(bytes(32), kind, mailbox, item, number).hex()}
                    for kind, mailbox, item, number in entries],
        "root": o.repair_root(o.bucket_digests(entries)).hex(),
    }


FILES = {"cells": cells, "links": links, "mailbox": mailbox, "directory": directory, "genesis": genesis,
         "replication": replication}


def text(name):
    return json.dumps(FILES[name](), indent=1) + "\n"


if __name__ == "__main__":
    for file in FILES:
        pathlib.Path(sys.argv[1], file + ".json").write_text(text(file), encoding="ascii")
