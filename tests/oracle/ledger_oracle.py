"""The ledger's bytes, a second time: Python's standard library only, written from docs/spec/ledger.md. For tests only; names
follow the specification.
"""

import ed25519_oracle as ed25519
from wire_oracle import H, address, commitment, counted, sign, u8, u16, u32, u64

GRAINS_MAX = 2**60 - 1
TRANSFER, STAKE, UNSTAKE, REGISTER, UPDATE, RETIRE, VALIDATOR_VOTE, BATCH, OPENING, EVIDENCE = range(1, 11)
PREVOTE, PRECOMMIT = 1, 2
NO_ROUND = 0xFFFFFFFF
NIL = bytes(32)


# ---- static Merkle trees ----

def merkle_leaf(item):
    return H("sotto leaf 1", item)


def split(n):
    """The largest power of two below n."""
    return 1 << (n - 1).bit_length() - 1


def merkle_root(items):
    if not items:
        return bytes(32)
    if len(items) == 1:
        return merkle_leaf(items[0])
    k = split(len(items))
    return H("sotto node 1", merkle_root(items[:k]), merkle_root(items[k:]))


def merkle_path(items, index):
    """RFC 9162, 2.1.3.1."""
    if len(items) == 1:
        return []
    k = split(len(items))
    if index < k:
        return merkle_path(items[:k], index) + [merkle_root(items[k:])]
    return merkle_path(items[k:], index - k) + [merkle_root(items[:k])]


# ---- transactions ----

def unsigned(network, kind, sender, nonce, fee, body):
    return u8(1) + network + u8(kind) + sender + u64(nonce) + u64(fee) + u16(len(body)) + body


def transaction(seed, network, kind, nonce, fee, body):
    content = unsigned(network, kind, ed25519.public_of(seed), nonce, fee, body)
    return content + sign(seed, "sotto tx 1", content)


def evidence_transaction(network, body):
    return unsigned(network, EVIDENCE, bytes(32), 0, 0, body) + bytes(64)


def tx_id(tx):
    return H("sotto tx id 1", tx)


def onion_keys(first_epoch, keys):
    return u32(first_epoch) + b"".join(keys)


def register(relay_seed, network, sender, nonce, host, port, onion, stake, deposit):
    body = ed25519.public_of(relay_seed) + address(host, port) + onion + u64(stake) + u64(deposit)
    return body + sign(relay_seed, "sotto register 1", network, sender, u64(nonce), body)


def stake(key_seed, network, sender, amount):
    key = ed25519.public_of(key_seed)
    return key + u64(amount) + sign(key_seed, "sotto stake 1", network, sender, key)


def delivery_leaf(secret, relay):
    return H("sotto delivery leaf 1", secret, relay)


def leaf(leaves, index):
    return leaves[index] + counted(merkle_path(leaves, index))


def opening(signer_seed, network, epoch, leaves, index, secret, relays, inner, signer):
    before, after = index > 0, index < len(leaves) - 1
    body = u32(epoch) + u32(index) + leaf(leaves, index) + u8(before | after << 1)
    body += leaf(leaves, index - 1) if before else b""
    body += leaf(leaves, index + 1) if after else b""
    receipt = sign(signer_seed, "sotto receipt 1", network, u32(epoch), commitment(secret), counted(relays), inner)
    return body + secret + u32(epoch) + counted(relays) + inner + u8(signer) + receipt


# ---- votes ----

def vote(seed, network, kind, height, round, value):
    content = u8(kind) + u64(height) + u32(round) + value + ed25519.public_of(seed)
    return content + sign(seed, "sotto vote 1", network, content)


def proposal(seed, network, height, round, valid_round, value):
    content = u64(height) + u32(round) + u32(valid_round) + value + ed25519.public_of(seed)
    return content + sign(seed, "sotto proposal 1", network, content)


def certificate_of(kind, height, round, value, votes):
    """votes: (index, signature)"""
    listed = b"".join(u16(index) + signature for index, signature in votes)
    return u8(kind) + u64(height) + u32(round) + value + u16(len(votes)) + listed


def certificate(members, signers, network, kind, height, round, value):
    """members: (seed, operator, power); those at the indices `signers` of the set sign."""
    ordered = in_order(members)
    return certificate_of(kind, height, round, value, [
        (index, vote(ordered[index][0], network, kind, height, round, value)[-64:]) for index in signers])


def heard(height, round, validators, proposed, values):
    """proposed: None, or (valid round, value); values: (value, validators that prevoted it, that precommitted it)"""
    def bits(those):
        return sum(1 << validator for validator in those).to_bytes((validators + 7) // 8, "little")

    told = u8(0) if proposed is None else u8(1) + u32(proposed[0]) + proposed[1]
    listed = b"".join(value + bits(prevotes) + bits(precommits) for value, prevotes, precommits in values)
    return u64(height) + u32(round) + u8(validators) + told + u8(len(values)) + listed


# ---- validators ----

def in_order(members):
    return sorted(members, key=lambda member: ed25519.public_of(member[0]))


def validator_set(members):
    return u16(len(members)) + b"".join(
        ed25519.public_of(seed) + operator + u64(power) for seed, operator, power in in_order(members))


def set_hash(encoded):
    return H("sotto validators 1", encoded)


def proposer(powers, height, round):
    """The index of the proposer, by the powers in the order of the set."""
    n, total, turn = len(powers), sum(powers), height + round
    part, cycle = turn % n, turn // n
    offset = (cycle * 0x9E3779B97F4A7C15 % 2**64) * total // 2**64
    point = (part * total + offset) // n
    return next(i for i in range(n) if point < sum(powers[: i + 1]))


# ---- blocks ----

def header(network, height, time_ms, parent, state_root, txs, validators, next_validators, epoch, proposer):
    return (u8(1) + network + u64(height) + u64(time_ms) + parent + state_root +
            merkle_root([tx_id(tx) for tx in txs]) + u32(len(txs)) + validators + next_validators + u32(epoch) + proposer)


def block_id(header):
    return H("sotto block 1", header)


def block(header, txs):
    return header + b"".join(u32(len(tx)) + tx for tx in txs)
