"""What one person's client says to another's, a second time: Python's standard library only, written from docs/spec/client.md
and keys.md. For tests only; names follow the specification.
"""

import base64
import hmac

import ed25519_oracle as ed25519
import sphinx_oracle as sphinx
import wire_oracle as wire

TEXT, ACK = 1, 2
LETTER, TEXT_MAX = 1376, 1024
PROTOCOL = b"Noise_X_25519_ChaChaPoly_SHA256"


class Unsealable(Exception):
    """Not for this key or place, changed, or no letter."""


# ---- ChaCha20-Poly1305, RFC 8439 section 2.8; every key is used once, with a nonce of zeros ----

def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for i in range(0, len(message), 16):
        total = (total + int.from_bytes(message[i : i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def aead_tag(key, ad, sealed):
    def padded(x):
        return x + bytes(-len(x) % 16)
    lengths = len(ad).to_bytes(8, "little") + len(sealed).to_bytes(8, "little")
    return poly1305(sphinx.chacha20_block(key, 0)[:32], padded(ad) + padded(sealed) + lengths)


def aead_xor(key, text):
    return sphinx.xor(text, sphinx.chacha20(key, 64 + len(text))[64:])


def aead_seal(key, ad, plain):
    sealed = aead_xor(key, plain)
    return sealed + aead_tag(key, ad, sealed)


def aead_open(key, ad, sealed):
    if aead_tag(key, ad, sealed[:-16]) != sealed[-16:]:
        raise Unsealable("tag")
    return aead_xor(key, sealed[:-16])


# ---- Noise X, revision 34 ----

def sha256_hmac(key, data):
    return hmac.digest(key, data, "sha256")


class Symmetric:
    def __init__(self, prologue, recipient):
        self.chain = self.hash = PROTOCOL + bytes(32 - len(PROTOCOL))
        self.key = None
        self.mix_hash(prologue)
        self.mix_hash(recipient)

    def mix_hash(self, data):
        self.hash = wire.hashlib.sha256(self.hash + data).digest()

    def mix_key(self, secret):
        extracted = sha256_hmac(self.chain, secret)
        self.chain = sha256_hmac(extracted, b"\1")
        self.key = sha256_hmac(extracted, self.chain + b"\2")

    def seal(self, plain):
        sealed = aead_seal(self.key, self.hash, plain)
        self.mix_hash(sealed)
        return sealed

    def open(self, sealed):
        plain = aead_open(self.key, self.hash, sealed)
        self.mix_hash(sealed)
        return plain


def noise_x_seal(sender, ephemeral, recipient, prologue, plain):
    """sender, ephemeral: X25519 secrets; recipient: a public value."""
    state, e = Symmetric(prologue, recipient), sphinx.x25519(ephemeral, sphinx.BASE)
    state.mix_hash(e)
    state.mix_key(sphinx.shared(ephemeral, recipient))
    s = state.seal(sphinx.x25519(sender, sphinx.BASE))
    state.mix_key(sphinx.shared(sender, recipient))
    return e + s + state.seal(plain)


def noise_x_open(recipient, prologue, sealed):
    """The sender's public value, and the plaintext."""
    state, e = Symmetric(prologue, sphinx.x25519(recipient, sphinx.BASE)), sealed[:32]
    state.mix_hash(e)
    state.mix_key(sphinx.shared(recipient, e))
    sender = state.open(sealed[32:80])
    state.mix_key(sphinx.shared(recipient, sender))
    return sender, state.open(sealed[80:])


# ---- accounts and links, keys.md ----

class Account:
    def __init__(self, seed, network):
        self.seed, self.network = seed, network
        self.identity_seed = self.derived("sotto account identity 1")
        self.static_secret = self.derived("sotto account static 1")
        self.identity = ed25519.public_of(self.identity_seed)
        self.static = sphinx.x25519(self.static_secret, sphinx.BASE)
        self.requests = ed25519.public_of(self.mailbox_seed(bytes(16)))
        self.proof = wire.sign(self.identity_seed, "sotto card 1", network, self.static, self.requests)

    def derived(self, domain, nonce=b""):
        return sphinx.prf(self.seed, 32, domain, nonce)

    def mailbox_seed(self, nonce):
        return self.derived("sotto account mailbox 1", nonce)

    def token(self, nonce):
        return self.derived("sotto account token 1", nonce)

    def link(self):
        body = b"\1" + self.network[:8] + self.identity + self.static + self.requests
        return "sotto:" + base64.b32encode(body + wire.H("sotto link 1", body)[:4]).decode().lower().rstrip("=")


def read_link(link):
    """identity, static, request mailbox"""
    text = link.removeprefix("sotto:").upper()
    body = base64.b32decode(text + "=" * (-len(text) % 8))
    assert len(body) == 109 and body[0] == 1 and body[105:] == wire.H("sotto link 1", body[:105])[:4]
    return body[9:41], body[41:73], body[73:105]


# ---- letters, client.md ----

def prologue_of(network, mailbox, expiry_ms):
    return b"sotto item 1\0" + network + mailbox + wire.u64(expiry_ms)


def letter(account, kind, message_id, counters, secret, reply, text, gap_expiry_ms=0):
    """counters: stream, sequence, floor; reply: mailbox, token, version."""
    plain = bytes([1, kind]) + message_id + b"".join(wire.u64(counter) for counter in (*counters, gap_expiry_ms)) + secret
    plain += account.identity + account.requests + account.proof + reply[0] + reply[1] + wire.u64(reply[2])
    plain += wire.u16(len(text)) + text
    return plain + bytes(LETTER - len(plain))


def seal_item(account, ephemeral, recipient, mailbox, expiry_ms, plain):
    prologue = prologue_of(account.network, mailbox, expiry_ms)
    return wire.commitment(plain[50:82]) + noise_x_seal(account.static_secret, ephemeral, recipient, prologue, plain)


class Letter:
    """An opened and verified one."""

    def __init__(self, account, mailbox, expiry_ms, item):
        self.sender, plain = noise_x_open(account.static_secret, prologue_of(account.network, mailbox, expiry_ms), item[32:])
        self.kind, self.id, self.secret = plain[1], plain[2:18], plain[50:82]
        counters = (int.from_bytes(plain[i : i + 8], "big") for i in (18, 26, 34, 42))
        self.stream, self.sequence, self.floor, self.gap_expiry_ms = counters
        self.identity, requests, proof = plain[82:114], plain[114:146], plain[146:210]
        self.reply = plain[210:242], plain[242:274], int.from_bytes(plain[274:282], "big")
        length = int.from_bytes(plain[282:284], "big")
        self.text = plain[284 : 284 + length]
        signed = b"sotto card 1\0" + account.network + self.sender + requests
        if plain[0] != 1 or length > TEXT_MAX or any(plain[284 + length :]) or wire.commitment(self.secret) != item[:32]:
            raise Unsealable("letter")
        if not (self.is_text() if self.kind == TEXT else self.is_acknowledgement()):
            raise Unsealable("body")
        if not ed25519.verify(self.identity, signed, proof):
            raise Unsealable("card")

    def is_text(self):
        try:
            self.text.decode()
        except UnicodeDecodeError:
            return False
        counted = self.stream > 0 and 0 < self.floor <= self.sequence < 2**64 - 1
        return len(self.text) > 0 and b"\0" not in self.text and counted

    def is_acknowledgement(self):
        return self.kind == ACK and len(self.text) > 0 and len(self.text) % 16 == 0
