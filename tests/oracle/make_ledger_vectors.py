#!/usr/bin/env python3
"""Makes docs/spec/vectors/ledger.json, always the same.

Usage: make_ledger_vectors.py VECTORS_FOLDER
"""

import hashlib
import json
import pathlib
import sys

import ed25519_oracle as ed25519
import ledger_oracle as o
from wire_oracle import u8, u16, u32, u64


def drawn(label, n=32):
    """Bytes that are the same in every run."""
    return hashlib.shake_256(b"sotto ledger vectors " + label.encode()).digest(n)


NETWORK = drawn("network")
SENDER, RELAY, OTHER = drawn("sender"), drawn("relay"), drawn("other relay")
RELAY_ID, OTHER_ID = ed25519.public_of(RELAY), ed25519.public_of(OTHER)
GENESIS_MS = 1790000000000
UNBONDING_MS = 1000000
EQUAL = [(drawn(f"validator {i}"), drawn(f"operator {i}"), 1) for i in range(4)]
UNEQUAL = EQUAL[:3] + [(drawn("validator 4"), drawn("operator 4"), 5)]
STRANGERS = [(drawn(f"stranger {i}"), drawn(f"operator {i}"), 1) for i in range(4)]


# ---- Merkle trees ----

def trees():
    for n in (0, 1, 2, 3, 4, 5, 7, 8, 11):
        items = [drawn(f"item {i}") for i in range(n)]
        yield {"items": [item.hex() for item in items], "root": o.merkle_root(items).hex(),
               "paths": [[step.hex() for step in o.merkle_path(items, i)] for i in range(n)]}


# ---- transactions ----

ONION = o.onion_keys(77, [drawn(f"onion {i}") for i in range(4)])
SECRETS = [drawn(f"secret {i}") for i in range(5)]
LEAVES = sorted(o.delivery_leaf(secret, RELAY_ID) for secret in SECRETS)


def opened(index, relays=(RELAY_ID, OTHER_ID), signer=1):
    secret = next(s for s in SECRETS if o.delivery_leaf(s, RELAY_ID) == LEAVES[index])
    return o.opening(OTHER, NETWORK, 77, LEAVES, index, secret, list(relays), drawn("inner"), signer)


def two_votes(first=1, second=2, height=9):
    votes = [o.vote(EQUAL[0][0], NETWORK, o.PRECOMMIT, height, 3, bytes([v]) + drawn("value")[1:]) for v in (first, second)]
    return u8(1) + b"".join(votes)


def two_proposals(rounds=(1, o.NO_ROUND)):
    proposals = [o.proposal(EQUAL[0][0], NETWORK, 9, 3, valid_round, drawn("value")) for valid_round in rounds]
    return u8(2) + b"".join(proposals)


def registration(nonce=4, stake=5000000, deposit=7):
    return o.register(RELAY, NETWORK, ed25519.public_of(SENDER), nonce, "relay.example", 7070, ONION, stake, deposit)


def staked(sender=SENDER, network=NETWORK):
    return o.stake(EQUAL[0][0], network, ed25519.public_of(sender), o.GRAINS_MAX)


def of_sender(kind, body, nonce=4, fee=10):
    return o.transaction(SENDER, NETWORK, kind, nonce, fee, body)


def of_relay(kind, body, fee=0):
    return o.transaction(RELAY, NETWORK, kind, 2**63 + 1, fee, body)


TRANSFER = of_sender(o.TRANSFER, drawn("to") + u64(123456789))
UPDATE_BODY = u8(5) + b"a.b.c" + u16(443) + ONION


def transactions():
    yield "transfer", TRANSFER
    yield "stake", of_sender(o.STAKE, staked())
    yield "unstake", of_sender(o.UNSTAKE, u64(1), fee=o.GRAINS_MAX)
    yield "register_relay", of_sender(o.REGISTER, registration())
    yield "update_relay", of_relay(o.UPDATE, UPDATE_BODY)
    yield "retire_relay", of_relay(o.RETIRE, b"", fee=10)
    yield "validator_vote", of_sender(o.VALIDATOR_VOTE, ed25519.public_of(EQUAL[1][0]) + u64(0) + u64(1000))
    yield "delivery_batch", of_relay(o.BATCH, u32(77) + o.merkle_root(LEAVES) + u32(len(LEAVES)))
    for index in (0, 2, 4):
        yield "opening", of_relay(o.OPENING, opened(index))
    yield "evidence", o.evidence_transaction(NETWORK, two_votes())
    yield "evidence", o.evidence_transaction(NETWORK, two_proposals())


def with_byte(whole, at, value):
    return whole[:at] + bytes([value]) + whole[at + 1 :]


def refused_transactions():
    yield "nothing", b""
    yield "another version", with_byte(TRANSFER, 0, 2)
    yield "kind 0", with_byte(TRANSFER, 33, 0)
    yield "kind 11", with_byte(TRANSFER, 33, 11)
    yield "another kind's body", with_byte(TRANSFER, 33, o.UNSTAKE)
    yield "cut short", TRANSFER[:-1]
    yield "a byte behind it", TRANSFER + b"\0"
    yield "a body longer than its kind's", of_sender(o.TRANSFER, drawn("to") + u64(1) + b"\0")
    yield "a body shorter than its kind's", of_sender(o.TRANSFER, drawn("to") + u64(1)[:-1])
    yield "a body length beyond the end", with_byte(TRANSFER, 82, 255)
    yield "over 8,192 bytes", of_sender(o.TRANSFER, bytes(8192))
    yield "a body of nothing that is something", of_relay(o.RETIRE, b"\0")
    yield "no host", of_relay(o.UPDATE, u8(0) + u16(443) + ONION)
    yield "port 0", of_relay(o.UPDATE, u8(5) + b"a.b.c" + u16(0) + ONION)
    yield "an onion key of zeros", of_relay(o.UPDATE, UPDATE_BODY[:-32] + bytes(32))
    yield "a batch of nothing", of_relay(o.BATCH, u32(77) + drawn("root") + u32(0))
    body, start = opened(2), 8 + 33 + 3 * 32  # where the neighbours' byte stands
    yield "a stake without a proof of possession", of_sender(o.STAKE, staked()[:40])
    yield "unknown neighbours", of_relay(o.OPENING, with_byte(body, start, 7))
    yield "a neighbour before the first", of_relay(o.OPENING, body[:4] + u32(0) + body[8:])
    yield "a path of 33", of_relay(o.OPENING, body[:40] + u8(33) + bytes(33 * 32) + body[41 + 3 * 32 :])
    yield "a signer who is not in the set", of_relay(o.OPENING, opened(2, signer=2))
    yield "a set of four", of_relay(o.OPENING, opened(2, relays=[RELAY_ID, OTHER_ID, drawn("a"), drawn("b")]))
    yield "evidence of unknown kind", o.evidence_transaction(NETWORK, u8(3) + two_votes()[1:])


def invalid_transactions():
    yield "an amount of 0", of_sender(o.TRANSFER, drawn("to") + u64(0))
    yield "an amount of more than there is", of_sender(o.TRANSFER, drawn("to") + u64(o.GRAINS_MAX + 1))
    yield "no fee", of_sender(o.TRANSFER, drawn("to") + u64(1), fee=0)
    yield "a low fee", of_sender(o.TRANSFER, drawn("to") + u64(1), fee=9)
    yield "a fee of more than there is", of_sender(o.TRANSFER, drawn("to") + u64(1), fee=o.GRAINS_MAX + 1)
    yield "a low fee where none is needed", of_relay(o.UPDATE, UPDATE_BODY, fee=1)
    yield "stake and deposit of more than there is", of_sender(o.REGISTER, registration(stake=o.GRAINS_MAX, deposit=1))
    yield "too much power", of_sender(o.VALIDATOR_VOTE, drawn("key") + u64(2**60) + u64(1))
    yield "a proof of possession for another sender", of_sender(o.STAKE, staked(sender=OTHER))
    yield "a proof of possession for another network", of_sender(o.STAKE, staked(network=drawn("elsewhere")))
    yield "a stake with another's key", of_sender(o.STAKE, OTHER_ID + staked()[32:])
    yield "a co-signature for another nonce", of_sender(o.REGISTER, registration(nonce=5))
    yield "the relay's own receipt", of_relay(o.OPENING, opened(2, signer=0))
    yield "a set without the sender", of_relay(o.OPENING, opened(2, relays=[drawn("a"), OTHER_ID]))
    yield "a set with a relay twice", of_relay(o.OPENING, opened(2, relays=[RELAY_ID, OTHER_ID, OTHER_ID]))
    yield "a receipt that is not right", of_relay(o.OPENING, opened(2, relays=[RELAY_ID, drawn("a")]))
    yield "another network", o.transaction(SENDER, drawn("elsewhere"), o.TRANSFER, 4, 10, drawn("to") + u64(1))
    yield "a signature that is not right", TRANSFER[:-1] + bytes([TRANSFER[-1] ^ 1])
    yield "a body that was not signed", with_byte(TRANSFER, 90, TRANSFER[90] ^ 1)
    evidence = o.evidence_transaction(NETWORK, two_votes())
    yield "evidence of somebody", with_byte(evidence, 34, 1)
    yield "evidence with a nonce", with_byte(evidence, 73, 1)
    yield "evidence with a fee", with_byte(evidence, 80, 1)
    yield "evidence with a signature", evidence[:-1] + b"\1"
    yield "evidence that is not signed", with_byte(evidence, 84 + 1 + 141 - 1, evidence[84 + 141] ^ 1)


# ---- votes ----

VALUE = drawn("value")
VOTE = o.vote(EQUAL[0][0], NETWORK, o.PREVOTE, 2**40, 7, VALUE)
PROPOSAL = o.proposal(EQUAL[0][0], NETWORK, 9, 3, 2, VALUE)
CERTIFICATE = o.certificate(EQUAL, [0, 2, 3], NETWORK, o.PRECOMMIT, 9, 3, VALUE)
SET = o.validator_set(UNEQUAL)


def votes():
    return [VOTE, o.vote(EQUAL[1][0], NETWORK, o.PRECOMMIT, 1, 0, o.NIL)]


def proposals():
    return [PROPOSAL, o.proposal(EQUAL[0][0], NETWORK, 9, 0, o.NO_ROUND, VALUE)]


def refused_votes():
    yield "type 0", with_byte(VOTE, 0, 0)
    yield "type 3", with_byte(VOTE, 0, 3)
    yield "cut short", VOTE[:-1]
    yield "a byte behind it", VOTE + b"\0"


def refused_proposals():
    yield "nil", o.proposal(EQUAL[0][0], NETWORK, 9, 3, 2, o.NIL)
    yield "a valid round that is its own", o.proposal(EQUAL[0][0], NETWORK, 9, 3, 3, VALUE)
    yield "cut short", PROPOSAL[:-1]
    yield "a byte behind it", PROPOSAL + b"\0"


def refused_certificates():
    votes = [(i, drawn(f"signature {i}", 64)) for i in range(100)]
    yield "type 0", with_byte(CERTIFICATE, 0, 0)
    yield "nil", o.certificate_of(o.PRECOMMIT, 9, 3, o.NIL, votes[:3])
    yield "nobody", o.certificate_of(o.PRECOMMIT, 9, 3, VALUE, [])
    yield "a signer twice", o.certificate_of(o.PRECOMMIT, 9, 3, VALUE, [votes[0], votes[0]])
    yield "signers out of order", o.certificate_of(o.PRECOMMIT, 9, 3, VALUE, [votes[1], votes[0]])
    yield "index 100", o.certificate_of(o.PRECOMMIT, 9, 3, VALUE, [(100, bytes(64))])
    yield "101 votes", o.certificate_of(o.PRECOMMIT, 9, 3, VALUE, votes + [(100, bytes(64))])
    yield "a vote too few", with_byte(CERTIFICATE, 46, 4)
    yield "a byte behind it", CERTIFICATE + b"\0"


def refused_evidence():
    yield "the wrong order", two_votes(2, 1)
    yield "the same vote twice", two_votes(1, 1)
    yield "proposals in the wrong order", two_proposals((o.NO_ROUND, 1))
    yield "the same proposal twice", two_proposals((1, 1))
    yield "votes of two heights", two_votes()[: 1 + 141] + two_votes(height=10)[1 + 141 :]
    yield "kind 0", u8(0) + two_votes()[1:]


def heard(validators=4, proposed=(o.NO_ROUND, VALUE), values=((VALUE, [0, 1, 3], [0, 1]),), round=3):
    return o.heard(9, round, validators, proposed, values)


def all_heard():
    nil = (o.NIL, [2], [])
    other = (b"\xff" * 32, [], [3])
    yield heard()
    yield heard(values=[])
    yield heard(proposed=None, values=[nil])
    yield heard(proposed=(2, VALUE), values=[nil, (VALUE, [0, 1, 3], [0, 1]), other])
    yield heard(validators=100, values=[nil, (VALUE, [i for i in range(100) if i != 2], range(100))])
    yield heard(validators=1, proposed=None, values=[(VALUE, [0], [])])
    yield heard(validators=16, proposed=None, values=[(u8(i) * 32, [i], []) for i in range(16)])


def refused_heard():
    one = (VALUE, [0], [])
    yield "no validators", heard(validators=0, values=[])
    yield "101 validators", heard(validators=101)
    yield "nothing", heard(proposed=None, values=[])
    yield "neither proposed nor not", with_byte(heard(), 13, 2)
    yield "a proposal of nil", heard(proposed=(o.NO_ROUND, o.NIL))
    yield "a valid round to come", heard(proposed=(3, VALUE))
    yield "a value that nobody voted for", heard(values=[(VALUE, [], [])])
    yield "a value twice", heard(values=[one, (VALUE, [1], [])])
    yield "values out of order", heard(values=[one, (o.NIL, [1], [])])
    yield "two prevotes of one", heard(values=[(o.NIL, [0], []), one])
    yield "two precommits of one", heard(values=[(o.NIL, [], [3]), (VALUE, [], [3])])
    yield "a vote of nobody", heard(values=[(VALUE, [4], [])])
    yield "a vote of nobody in the last byte", heard(validators=9, values=[(VALUE, [], [9])])
    yield "17 values", heard(validators=17, proposed=None, values=[(u8(i) * 32, [i], []) for i in range(17)])
    yield "cut short", heard()[:-1]
    yield "a byte behind it", heard() + b"\0"


def statements():
    for vote in votes():
        yield u8(1) + vote
    for proposal in proposals():
        yield u8(2) + proposal


def refused_statements():
    yield "kind 0", u8(0) + VOTE
    yield "a proposal as a vote", u8(1) + PROPOSAL
    yield "a vote as a proposal", u8(2) + VOTE
    yield "a byte behind it", u8(1) + VOTE + b"\0"


def refused_sets():
    members = b"".join(sorted(SET[2 + 72 * i : 2 + 72 * (i + 1)] for i in range(4)))
    first, second = members[:72], members[72:144]
    yield "nobody", u16(0)
    yield "101 validators", u16(101) + b"".join(i.to_bytes(32, "big") + bytes(32) + u64(1) for i in range(101))
    yield "the wrong order", u16(2) + second + first
    yield "a key twice", u16(2) + first + first
    yield "no power", u16(1) + first[:64] + u64(0)
    yield "too much power", u16(2) + first[:64] + u64(2**60 - 1) + second
    yield "too much power of one", u16(1) + first[:64] + u64(2**60)
    yield "cut short", SET[:-1]
    yield "a byte behind it", SET + b"\0"


def sets():
    large = [(drawn(f"large {i}"), drawn("operator"), 2**52 + i * 12345678901) for i in range(5)]
    for members in (EQUAL, UNEQUAL, EQUAL[:1], large):
        encoded = o.validator_set(members)
        powers = [power for _, _, power in o.in_order(members)]
        yield {"set": encoded.hex(), "hash": o.set_hash(encoded).hex(), "total": sum(powers),
               "proposers": [o.proposer(powers, height, 0) for height in range(1, 41)]}


# ---- blocks ----

class Block:
    def __init__(self, height, members, following, parent, txs=(), time_ms=None, state="state"):
        self.members = members
        hashes = [o.set_hash(o.validator_set(m)) for m in (members, following)]
        time_ms = GENESIS_MS + 1000 * height if time_ms is None else time_ms
        self.header = o.header(NETWORK, height, time_ms, parent, drawn(state), list(txs), *hashes, height // 2,
                               ed25519.public_of(members[0][0]))
        self.id = o.block_id(self.header)
        self.block = o.block(self.header, txs)
        self.height, self.time_ms = height, time_ms
        self.validators = o.validator_set(members)

    def certificate(self, signers=(0, 1, 2, 3), kind=o.PRECOMMIT, height=None, members=None, network=NETWORK):
        return o.certificate(members or self.members, signers, network, kind, height or self.height, 1, self.id)


def make_chain():
    one = Block(1, EQUAL, EQUAL, bytes(32))
    two = Block(2, EQUAL, UNEQUAL, one.id, [tx for _, tx in transactions()])
    three = Block(3, UNEQUAL, UNEQUAL, two.id, [TRANSFER])
    return [one, two, three, Block(4, UNEQUAL, UNEQUAL, three.id, [TRANSFER] * 3)]


CHAIN = make_chain()


def refused_headers():
    header = CHAIN[1].header
    yield "another version", with_byte(header, 0, 2)
    yield "height 0", header[:33] + u64(0) + header[41:]
    yield "4,097 transactions", header[:145] + u32(4097) + header[149:]
    yield "no transactions under a root", header[:145] + u32(0) + header[149:]
    yield "cut short", header[:-1]
    yield "a byte behind it", header + b"\0"


def refused_blocks():
    whole = CHAIN[2].block
    yield "cut short", whole[:-1]
    yield "a byte behind it", whole + b"\0"
    yield "a transaction of nothing", CHAIN[2].header + u32(0)
    yield "one more transaction than the header says", whole + u32(len(TRANSFER)) + TRANSFER


# ---- light clients ----

def light_case(result, trusted, block, certificate=None, wall_ms=None, consensus="poa", validators=None):
    """trusted: an index into the chain, or -1 for the genesis, whose validators are the equal ones."""
    certificate = block.certificate() if certificate is None else certificate
    return {"result": result, "trusted": trusted, "header": block.header.hex(), "certificate": certificate.hex(),
            "validators": (validators or block.validators).hex(),
            "wall_ms": block.time_ms if wall_ms is None else wall_ms, "consensus": consensus}


def light():
    one, two, three, four = CHAIN
    elsewhere = Block(5, STRANGERS, STRANGERS, four.id)
    other_two = Block(2, EQUAL, UNEQUAL, one.id, state="another")
    yield light_case("taken", -1, one)
    yield light_case("taken", 0, two)
    yield light_case("taken", 1, three)
    yield light_case("taken", 2, four)
    yield light_case("taken", -1, four)  # three of four shared
    yield light_case("taken", 0, two, two.certificate([0, 1, 3]))
    yield light_case("invalid", 0, two, two.certificate([0, 1]))
    yield light_case("network", -1, type("Other", (), {
        "header": with_byte(one.header, 1, one.header[1] ^ 1), "certificate": one.certificate,
        "validators": one.validators, "time_ms": one.time_ms})())
    yield light_case("known", 1, two)
    yield light_case("older", 2, two)
    yield light_case("between", 2, elsewhere)
    yield light_case("invalid", 3, elsewhere)
    yield light_case("fork", 1, other_two)
    yield light_case("invalid", 1, other_two, other_two.certificate([0, 1]))
    yield light_case("invalid", 1, Block(2, STRANGERS, STRANGERS, one.id))  # no fork: anybody can make such a header
    yield light_case("fork", 2, Block(4, UNEQUAL, UNEQUAL, two.id))
    yield light_case("fork", 1, Block(7, UNEQUAL, UNEQUAL, four.id, time_ms=two.time_ms))
    yield light_case("invalid", 0, two, two.certificate(kind=o.PREVOTE))
    yield light_case("invalid", 0, two, two.certificate(height=3))
    yield light_case("invalid", 0, two, two.certificate(network=drawn("elsewhere")))
    yield light_case("invalid", 0, two, one.certificate())
    yield light_case("invalid", 0, two, two.certificate(members=STRANGERS))
    yield light_case("invalid", 0, two, two.certificate(members=STRANGERS), validators=o.validator_set(STRANGERS))
    yield light_case("ahead", 0, two, wall_ms=two.time_ms - 300001)
    yield light_case("taken", 0, two, wall_ms=two.time_ms - 300000)
    yield light_case("taken", 0, two, wall_ms=2**62)
    yield light_case("taken", 0, two, wall_ms=one.time_ms + UNBONDING_MS, consensus="pos")
    yield light_case("expired", 0, two, wall_ms=one.time_ms + UNBONDING_MS + 1, consensus="pos")


def named(pairs, what):
    return [{"why": why, what: content.hex()} for why, content in pairs]


def ledger():
    return {
        "network": NETWORK.hex(), "genesis_ms": GENESIS_MS, "unbonding_ms": UNBONDING_MS,
        "genesis_validators": o.validator_set(EQUAL).hex(),
        "seeds": {name: seed.hex() for name, seed in (("sender", SENDER), ("relay", RELAY), ("other", OTHER))},
        "merkle": list(trees()),
        "transactions": [{"name": name, "tx": tx.hex(), "id": o.tx_id(tx).hex()} for name, tx in transactions()],
        "refused_transactions": named(refused_transactions(), "tx"),
        "invalid_transactions": named(invalid_transactions(), "tx"),
        "leaves": [{"secret": s.hex(), "relay": RELAY_ID.hex(), "leaf": o.delivery_leaf(s, RELAY_ID).hex()} for s in SECRETS],
        "votes": [vote.hex() for vote in votes()], "proposals": [proposal.hex() for proposal in proposals()],
        "evidence": [evidence.hex() for evidence in (two_votes(), two_proposals())],
        "refused_votes": named(refused_votes(), "bytes"), "refused_proposals": named(refused_proposals(), "bytes"),
        "refused_certificates": named(refused_certificates(), "bytes"),
        "refused_evidence": named(refused_evidence(), "bytes"),
        "heard": [one.hex() for one in all_heard()], "refused_heard": named(refused_heard(), "bytes"),
        "statements": [statement.hex() for statement in statements()],
        "refused_statements": named(refused_statements(), "bytes"),
        "sets": list(sets()), "refused_sets": named(refused_sets(), "bytes"),
        "chain": [{"block": b.block.hex(), "header": b.header.hex(), "id": b.id.hex(),
                   "certificate": b.certificate().hex(), "validators": b.validators.hex()} for b in CHAIN],
        "refused_headers": named(refused_headers(), "bytes"), "refused_blocks": named(refused_blocks(), "bytes"),
        "light": list(light()),
    }


def text():
    return json.dumps(ledger(), indent=1) + "\n"


if __name__ == "__main__":
    pathlib.Path(sys.argv[1], "ledger.json").write_text(text(), encoding="ascii")
