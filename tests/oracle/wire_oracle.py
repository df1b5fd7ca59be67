"""What crosses Sotto's links, a second time: Python's standard library only, written from docs/spec (cells, links, mailbox,
directory, genesis, replication). For tests only; names follow the specification.
"""

import hashlib

import ed25519_oracle as ed25519

ITEM, SURB = 1504, 434
STORE, FETCH, SUBSCRIBE, DELETE, POLICY = 1, 2, 3, 4, 5


def u8(x):
    return x.to_bytes(1, "big")


def u16(x):
    return x.to_bytes(2, "big")


def u32(x):
    return x.to_bytes(4, "big")


def u64(x):
    return x.to_bytes(8, "big")


def counted(parts):
    return u8(len(parts)) + b"".join(parts)


def H(domain, *parts):
    return hashlib.blake2b(domain.encode() + b"\0" + b"".join(parts), digest_size=32).digest()


def sign(seed, domain, *parts):
    return ed25519.sign(seed, domain.encode() + b"\0" + b"".join(parts))


# ---- cells.md ----

def cell(kind, flags, body):
    return u8(kind) + u8(flags) + u16(len(body)) + bytes(2) + body + bytes(2418 - len(body))


def message_cells(message):
    parts = [message[i : i + 2418] for i in range(0, len(message), 2418)]
    last = len(parts) - 1
    return [cell(3, (1 if i == 0 else 0) | (2 if i == last else 0), part) for i, part in enumerate(parts)]


# ---- links.md ----

def hello(version, network, epoch, wall_ms):
    return u8(1) + u16(version) + network + u32(epoch) + u64(wall_ms)


def ping(kind, token):
    return u8(kind) + u64(token)


def get_directory(epoch):
    return u8(4) + u32(epoch)


def directory_answer(epoch, bundle):
    return u8(5) + u32(epoch) + bundle


def get_addresses():
    return u8(6)


def addresses(records):
    return u8(7) + u16(len(records)) + b"".join(records)


def handles(some):
    return u8(16) + counted(some)


# ---- mailbox.md ----

def token_hash(token):
    return H("sotto write token 1", token)[:16]


def item_hash(network, mailbox, expiry_ms, item):
    return H("sotto item 1", network, mailbox, u64(expiry_ms), item)


def commitment(secret):
    return H("sotto delivery", secret)


def stamp_zeros(network, mailbox, item, stamp):
    """How many zero bits a stamp's hash begins with."""
    return 256 - int.from_bytes(H("sotto stamp 1", network, mailbox, item, u64(stamp)), "big").bit_length()


def mailbox_stamp_zeros(network, mailbox, stamp):
    return 256 - int.from_bytes(H("sotto mailbox stamp 1", network, mailbox, u64(stamp)), "big").bit_length()


def store(epoch, mailbox, expiry_ms, token, stamp, item, surb):
    return u8(STORE) + u32(epoch) + mailbox + u64(expiry_ms) + token + u64(stamp) + item + surb


def owners(kind, epoch, mailbox, time_ms, arguments, surbs, network, replica, owner_seed):
    signed = u8(kind) + u32(epoch) + mailbox + u64(time_ms) + arguments + counted(surbs)
    return signed + sign(owner_seed, "sotto owner 1", network, replica, signed)


def fetch_arguments(cursor):
    return u64(cursor)


def subscribe_arguments(cursor, wait_ms):
    return u64(cursor) + u32(wait_ms)


def delete_arguments(stamp, entries):
    return u64(stamp) + counted([item + secret for item, secret in entries])


def policy_arguments(stamp, version, entries):
    return u64(stamp) + u64(version) + counted([token + u16(quota) for token, quota in entries])


def reply_head(kind, status, epoch, clock_ms):
    return u8(kind) + u8(status) + u32(epoch) + u64(clock_ms)


def receipt(relay_seed, network, set_epoch, relays, rank, committed, mailbox, item, expiry_ms):
    inner = H("sotto receipt inner 1", mailbox, item, u64(expiry_ms), u8(rank))
    return sign(relay_seed, "sotto receipt 1", network, u32(set_epoch), committed, counted(relays), inner)


def replica_set(epoch, relays):
    return u32(epoch) + counted(relays)


def listed_receipt(receipt):
    index, rank, signature = receipt
    return u8(index) + u8(rank) + signature


def listed_receipts(receipts):
    return counted([listed_receipt(receipt) for receipt in receipts])


def store_reply(epoch, clock_ms, set_epoch, relays, receipts):
    return reply_head(STORE, 0, epoch, clock_ms) + replica_set(set_epoch, relays) + listed_receipts(receipts)


def item_reply(kind, epoch, clock_ms, cursor, expiry_ms, waiting, surbs_left, item):
    head = reply_head(kind, 0, epoch, clock_ms) + u64(cursor) + u64(expiry_ms) + u32(waiting) + u8(surbs_left)
    return head + (u8(1) + item if item else u8(0))


# ---- directory.md ----

def address(host, port):
    return u8(len(host)) + host.encode() + u16(port)


def address_record(seed, network, host, port, signed_ms, version=1):
    content = u8(version) + ed25519.public_of(seed) + u64(signed_ms) + address(host, port)
    return content + sign(seed, "sotto address 1", network, content)


def listed_relay(relay):
    return (relay["id"] + relay["placement"] + address(relay["host"], relay["port"]) + u8(relay["placed"]) +
            u32(relay["since_epoch"]) + counted(relay["keys"]))


def directory(network, epoch, issued_ms, changed_epoch, stamp_bits, relays):
    head = u8(1) + network + u32(epoch) + u64(issued_ms) + u32(changed_epoch) + u8(stamp_bits) + u16(len(relays))
    return head + b"".join(listed_relay(relay) for relay in relays)


def placement(relays, mailbox, replicas):
    """The ids of the first k + 2 placed relays, by rank."""
    placed = sorted((r for r in relays if r["placed"]), key=lambda r: r["id"])
    placed.sort(key=lambda r: H("sotto placement 1", r["placement"], mailbox), reverse=True)
    return [r["id"] for r in placed[: replicas + 2]]


# ---- genesis.md ----

def network_of(text):
    return H("sotto genesis 1", text.encode())


# ---- replication.md ----

def replicate(id, epoch, relays, mailbox, expiry_ms, token, stamp, item):
    return u8(64) + u64(id) + replica_set(epoch, relays) + mailbox + u64(expiry_ms) + token + u64(stamp) + item


def receipt_message(id, status, epoch, receipt):
    return u8(65) + u64(id) + u8(status) + u32(epoch) + listed_receipt(receipt)


def receipts_message(mailbox, item_hash, epoch, relays, receipts):
    return u8(66) + mailbox + item_hash + replica_set(epoch, relays) + listed_receipts(receipts)


def owned(id, replica, operation):
    return u8(67) + u64(id) + replica + operation


def repair_item(id, mailbox, expiry_ms, token_hash, stamp, item):
    return u8(68) + u64(id) + mailbox + u64(expiry_ms) + token_hash + u64(stamp) + item


def done(id, status):
    return u8(69) + u64(id) + u8(status)


def root_message(membership, root):
    return u8(70) + u32(membership) + root


def digests_message(membership, digests):
    return u8(71) + u32(membership) + b"".join(digests)


def differ(membership, bits):
    return u8(72) + u32(membership) + bits


def offer(id, entries):
    listed = [u8(kind) + mailbox + item + u64(number) for kind, mailbox, item, number in entries]
    return u8(73) + u64(id) + u16(len(listed)) + b"".join(listed)


def answer(id, answers):
    return u8(74) + u64(id) + u16(len(answers)) + bytes(answers)


def repair_bucket(mailbox):
    return int.from_bytes(mailbox[:2], "big") >> 7


def digest_add(digest, kind, mailbox, item, number):
    return H("sotto repair 2", digest, mailbox, item, u8(kind), u64(number if kind == 3 else 0))


def bucket_digests(entries):
    digests = [bytes(32)] * 512
    for kind, mailbox, item, number in sorted(entries, key=lambda entry: entry[1:3]):
        bucket = repair_bucket(mailbox)
        digests[bucket] = digest_add(digests[bucket], kind, mailbox, item, number)
    return digests


def repair_root(digests):
    return H("sotto repair root 2", b"".join(digests))
