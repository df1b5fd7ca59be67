#!/usr/bin/env python3
"""The vectors of docs/spec/client.md, from the page alone, always the same. Usage: make_client_vectors.py VECTORS_FOLDER"""

import hashlib
import json
import pathlib
import sys

import seal_oracle as seal

EXPIRY_MS = 1790600000000


def drawn(label, n=32):
    """Bytes that are the same in every run."""
    return hashlib.shake_256(b"sotto client vectors " + label.encode()).digest(n)


NETWORK = drawn("network")
PEOPLE = {name: seal.Account(drawn(name), NETWORK) for name in ("alice", "bob")}
ALICE, BOB = PEOPLE["alice"], PEOPLE["bob"]
MAILBOXES = {"requests": BOB.requests, "contact": drawn("mailbox for alice")}
REPLY = drawn("mailbox for bob"), drawn("token for bob"), 3
NOTHING_TO_LEARN = bytes(32), bytes(32), 0


def person(account):
    shown = {"seed": account.seed, "identity_seed": account.identity_seed, "static_secret": account.static_secret,
             "identity": account.identity, "static": account.static, "request_mailbox": account.requests,
             "proof": account.proof}
    return {**{name: value.hex() for name, value in shown.items()}, "link": account.link()}


# ---- letters from alice to bob ----

def letter_case(name, kind, body, mailbox="contact", counters=(1790000000000, 1, 1), gap_expiry_ms=0, reply=REPLY):
    message_id, secret, ephemeral = drawn(name + " id", 16), drawn(name + " secret"), drawn(name + " ephemeral")
    plain = seal.letter(ALICE, kind, message_id, counters, secret, reply, body, gap_expiry_ms)
    item = seal.seal_item(ALICE, ephemeral, BOB.static, MAILBOXES[mailbox], EXPIRY_MS, plain)
    fields = {"mailbox": MAILBOXES[mailbox], "id": message_id, "secret": secret, "reply_mailbox": reply[0],
              "reply_token": reply[1], "body": body, "ephemeral": ephemeral, "letter": plain, "item": item}
    return {"name": name, "kind": kind, "stream": counters[0], "sequence": counters[1], "floor": counters[2],
            "gap_expiry_ms": gap_expiry_ms, "reply_version": reply[2], **{key: value.hex() for key, value in fields.items()}}


def letters():
    yield letter_case("a first text, to the request mailbox", seal.TEXT, b"hello", "requests")
    yield letter_case("a text in the contact's mailbox", seal.TEXT, "Grüße".encode(), counters=(1790000000000, 9, 9))
    yield letter_case("a text with gaps before it", seal.TEXT, b"after a gap", counters=(1790000000000, 12, 7),
                      gap_expiry_ms=1790500000000)
    yield letter_case("a text of one byte that teaches no mailbox", seal.TEXT, b"x", reply=NOTHING_TO_LEARN)
    yield letter_case("the longest text", seal.TEXT, b"abcdefgh" * 128)
    yield letter_case("an acknowledgement", seal.ACK, drawn("acknowledged", 16), counters=(0, 0, 0))
    yield letter_case("an acknowledgement of 64 messages", seal.ACK, drawn("acknowledged", 1024), counters=(0, 0, 0))


# ---- items that bob drops ----

def sealed(plain, expiry_ms=EXPIRY_MS, account=ALICE):
    return seal.seal_item(account, drawn("refused ephemeral"), BOB.static, MAILBOXES["contact"], expiry_ms, plain)


def plain_letter(kind=seal.TEXT, body=b"hello", counters=(5, 3, 2)):
    return seal.letter(ALICE, kind, drawn("refused id", 16), counters, drawn("refused secret"), REPLY, body)


def changed(data, at, byte):
    return data[:at] + bytes([byte]) + data[at + 1 :]


def refused():
    plain = plain_letter()
    item = sealed(plain)
    yield "another version", sealed(changed(plain, 0, 2))
    yield "an unknown kind", sealed(changed(plain, 1, 3))
    yield "a stream of 0", sealed(plain_letter(counters=(0, 3, 2)))
    yield "a floor of 0", sealed(plain_letter(counters=(5, 3, 0)))
    yield "a floor beyond the sequence", sealed(plain_letter(counters=(5, 3, 4)))
    yield "an empty text", sealed(plain_letter(body=b""))
    yield "the last sequence of all", sealed(plain_letter(counters=(5, 2**64 - 1, 2)))
    yield "a text with a zero byte", sealed(plain_letter(body=b"a\0b"))
    yield "a text that is no UTF-8", sealed(plain_letter(body=b"\xff\xfe"))
    yield "a text of 1,025 bytes", sealed(plain_letter(body=b"x" * 1025))
    yield "an acknowledgement of nothing", sealed(plain_letter(seal.ACK, b"", (0, 0, 0)))
    yield "an acknowledgement of a message and a byte", sealed(plain_letter(seal.ACK, bytes(17), (0, 0, 0)))
    yield "a spare byte that is not zero", sealed(changed(plain, seal.LETTER - 1, 1))
    yield "a proof of another identity", sealed(plain[:82] + BOB.identity + plain[114:])
    yield "a card that another static key sealed", sealed(plain, account=BOB)
    yield "a secret that does not open the commitment", drawn("another commitment") + item[32:]
    yield "sealed for another expiry", sealed(plain, EXPIRY_MS + 1)
    yield "a changed ephemeral key", changed(item, 32, item[32] ^ 1)
    yield "a changed byte at the end", changed(item, len(item) - 1, item[-1] ^ 1)


def text():
    return json.dumps({
        "network": NETWORK.hex(), "expiry_ms": EXPIRY_MS, "mailbox": MAILBOXES["contact"].hex(),
        "people": {name: person(account) for name, account in PEOPLE.items()},
        "letters": list(letters()),
        "refused": [{"why": why, "item": item.hex()} for why, item in refused()],
    }, indent=1) + "\n"


if __name__ == "__main__":
    pathlib.Path(sys.argv[1], "client.json").write_text(text(), encoding="ascii")
