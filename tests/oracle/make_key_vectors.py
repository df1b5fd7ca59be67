#!/usr/bin/env python3
"""The vectors of docs/spec/keys.md, from the page alone. Usage: make_key_vectors.py VECTORS_FOLDER"""

import base64
import hashlib
import json
import pathlib
import sys

import ed25519_oracle as ed25519
import sphinx_oracle as sphinx

BASE_POINT = (9).to_bytes(32, "little")


def kdf(seed, domain, nonce=b""):
    return sphinx.prf(seed, 32, domain, nonce)


def checksum(body):
    return hashlib.blake2b(b"sotto link 1\0" + body, digest_size=32).digest()[:4]


def link(network, identity, static, mailbox):
    body = b"\x01" + network[:8] + identity + static + mailbox
    return "sotto:" + base64.b32encode(body + checksum(body)).decode().lower().rstrip("=")


def mailbox_of(seed, nonce):
    return ed25519.public_of(kdf(seed, "sotto account mailbox 1", nonce))


def account(number):
    seed = hashlib.blake2b(b"account %d" % number, digest_size=32).digest()
    network = hashlib.blake2b(b"network %d" % number, digest_size=32).digest()
    nonce = hashlib.blake2b(b"nonce %d" % number, digest_size=16).digest()
    identity = ed25519.public_of(kdf(seed, "sotto account identity 1"))
    static = sphinx.x25519(kdf(seed, "sotto account static 1"), BASE_POINT)
    requests = mailbox_of(seed, bytes(16))
    shown = {"seed": seed, "network": network, "identity": identity, "static": static, "request_mailbox": requests,
             "nonce": nonce, "mailbox": mailbox_of(seed, nonce), "token": kdf(seed, "sotto account token 1", nonce),
             "database_key": kdf(seed, "sotto database key 1")}
    return {**{name: value.hex() for name, value in shown.items()}, "link": link(network, identity, static, requests)}


def text():
    return json.dumps({"accounts": [account(number) for number in range(4)]}, indent=1) + "\n"


if __name__ == "__main__":
    pathlib.Path(sys.argv[1], "keys.json").write_text(text(), encoding="ascii")
