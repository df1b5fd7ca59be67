"""Sotto's onion packets, a second time: Python's standard library only, written from docs/spec/packet.md.

Slow, not constant time, for tests only. Names follow the specification.
"""

import hashlib

VERSION = 1
HOPS_MAX = 5
SLOT = 64
BETA = HOPS_MAX * SLOT
HEADER = 370
PAYLOAD = 2048
BODY = 2030
FORWARD, DELIVER, CLIENT = 1, 2, 3

P = 2**255 - 19
A24 = 121665


class Refused(Exception):
    """A packet that a hop drops."""


def xor(a, b):
    assert len(a) == len(b)
    return bytes(x ^ y for x, y in zip(a, b))


# ---- X25519, RFC 7748 section 5 ----

def x25519(k, u):
    k = bytearray(k)
    k[0] &= 248
    k[31] = (k[31] & 127) | 64
    k = int.from_bytes(k, "little")
    x1 = (int.from_bytes(u, "little") & (2**255 - 1)) % P
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, z2, x3, z3 = x3, z3, x2, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + A24 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


BASE = (9).to_bytes(32, "little")


def shared(k, u):
    """X25519 of an acceptable public value; section "Public values"."""
    if int.from_bytes(u, "little") >= P:
        raise Refused("not canonical")
    s = x25519(k, u)
    if s == bytes(32):
        raise Refused("low order")
    return s


# ---- ChaCha20, RFC 8439 section 2.3 ----

def chacha20_block(key, counter):
    def quarter(a, b, c, d):
        for left, right, into, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            w[left] = (w[left] + w[right]) & 0xFFFFFFFF
            x = w[into] ^ w[left]
            w[into] = (x << by | x >> (32 - by)) & 0xFFFFFFFF

    words = [int.from_bytes(key[i : i + 4], "little") for i in range(0, 32, 4)]
    start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *words, counter, 0, 0, 0]
    w = list(start)
    for _ in range(10):
        quarter(0, 4, 8, 12)
        quarter(1, 5, 9, 13)
        quarter(2, 6, 10, 14)
        quarter(3, 7, 11, 15)
        quarter(0, 5, 10, 15)
        quarter(1, 6, 11, 12)
        quarter(2, 7, 8, 13)
        quarter(3, 4, 9, 14)
    return b"".join(((x + y) & 0xFFFFFFFF).to_bytes(4, "little") for x, y in zip(w, start))


def chacha20(key, n):
    return b"".join(chacha20_block(key, i) for i in range((n + 63) // 64))[:n]


# ---- keys of a hop ----

def prf(key, n, domain, m):
    return hashlib.blake2b(domain.encode() + b"\0" + m, digest_size=n, key=key).digest()


class HopKeys:
    def __init__(self, s, alpha, onion):
        bound = alpha + onion
        both = prf(s, 64, "sotto sphinx 1 header", bound)
        self.mac, self.stream = both[:32], chacha20(both[32:], BETA + SLOT)
        both = prf(s, 64, "sotto sphinx 1 payload", bound)
        self.payload, self.blind = both[:32], both[32:]
        self.replay_tag = prf(s, 16, "sotto sphinx 1 replay", bound)


def gamma_of(mac, header):
    return prf(mac, 16, "sotto sphinx 1 mac", header[:354])


# ---- the payload cipher ----

def lioness_keys(key):
    return key[:32], key[32:96], key[96:128], key[128:192]


def keyed_hash(key, m):
    return hashlib.blake2b(m, digest_size=32, key=key).digest()


def lioness_encrypt(key, block):
    k1, k2, k3, k4 = lioness_keys(key)
    left, right = block[:32], block[32:]
    right = xor(right, chacha20(xor(left, k1), len(right)))
    left = xor(left, keyed_hash(k2, right))
    right = xor(right, chacha20(xor(left, k3), len(right)))
    left = xor(left, keyed_hash(k4, right))
    return left + right


def lioness_decrypt(key, block):
    k1, k2, k3, k4 = lioness_keys(key)
    left, right = block[:32], block[32:]
    left = xor(left, keyed_hash(k4, right))
    right = xor(right, chacha20(xor(left, k3), len(right)))
    left = xor(left, keyed_hash(k2, right))
    right = xor(right, chacha20(xor(left, k1), len(right)))
    return left + right


def encrypt(seed, block):
    return lioness_encrypt(chacha20(seed, 192), block)


def decrypt(seed, block):
    return lioness_decrypt(chacha20(seed, 192), block)


# ---- making ----

class Hop:
    """A relay as a maker sees it."""

    def __init__(self, identity, onion, epoch, delay_ms):
        self.identity, self.onion, self.epoch, self.delay_ms = identity, onion, epoch, delay_ms


def slot(kind, delay_ms, next_id, next_gamma, trace):
    out = bytes([kind, 0]) + delay_ms.to_bytes(4, "big") + next_id + next_gamma + bytes(2) + trace.to_bytes(8, "big")
    assert len(out) == SLOT
    return out


def derive(hops, x):
    """The alpha and the keys of every hop."""
    alphas, keys = [], []
    alpha = x25519(x, BASE)
    for hop in hops:
        s = shared(x, hop.onion)
        for before in keys:
            s = x25519(before.blind, s)
        alphas.append(alpha)
        keys.append(HopKeys(s, alpha, hop.onion))
        alpha = x25519(keys[-1].blind, alpha)
    return alphas, keys


def make_header(hops, kind, next_id, x, end_gamma, padding, trace=0):
    n = len(hops)
    assert 1 <= n <= HOPS_MAX
    alphas, keys = derive(hops, x)
    filler = b""
    for i in range(n - 1):
        filler = xor(filler + bytes(SLOT), keys[i].stream[BETA + SLOT - SLOT * (i + 1) :])
    own = slot(kind, 0, next_id, end_gamma, trace) + padding[: SLOT * (HOPS_MAX - n)]
    beta = xor(own, keys[n - 1].stream[: len(own)]) + filler
    front = bytes([VERSION, hops[0].epoch % 256])
    for i in reversed(range(n)):
        if i < n - 1:
            this = slot(FORWARD, hops[i].delay_ms, hops[i + 1].identity, gamma, trace)
            beta = xor(this + beta[: BETA - SLOT], keys[i].stream[:BETA])
        header = front + alphas[i] + beta
        gamma = gamma_of(keys[i].mac, header)
    return header + gamma, [k.payload for k in keys]


def plain_payload(body):
    assert len(body) <= BODY
    return bytes(16) + len(body).to_bytes(2, "big") + body + bytes(BODY - len(body))


def make_packet(hops, body, x, end_gamma, padding, trace=0):
    header, seeds = make_header(hops, DELIVER, bytes(32), x, end_gamma, padding, trace)
    payload = plain_payload(body)
    for seed in reversed(seeds):
        payload = encrypt(seed, payload)
    return header + payload


def make_surb(hops, handle, surb_id, seed, x, end_gamma, padding):
    """The SURB, and the payload seeds that its maker keeps."""
    header, seeds = make_header(hops, CLIENT, handle + surb_id, x, end_gamma, padding)
    return hops[0].identity + header + seed, seeds


def use_surb(surb, body):
    if surb[32] != VERSION:
        raise Refused("version of the SURB")
    return surb[32:402] + encrypt(surb[402:434], plain_payload(body))


def open_reply(payload, seed, seeds):
    for hop_seed in reversed(seeds):
        payload = encrypt(hop_seed, payload)
    return open_payload(decrypt(seed, payload))


def open_payload(payload):
    length = int.from_bytes(payload[16:18], "big")
    if payload[:16] != bytes(16) or length > BODY:
        raise Refused("payload")
    return payload[18 : 18 + length]


# ---- peeling ----

class Peeled:
    def __init__(self, plain_slot, replay_tag, packet):
        self.slot, self.replay_tag, self.packet = plain_slot, replay_tag, packet
        self.kind = plain_slot[0]
        self.delay_ms = int.from_bytes(plain_slot[2:6], "big")
        self.next_id = plain_slot[6:38]
        self.trace = int.from_bytes(plain_slot[56:64], "big")


def check_slot(s, allow_trace):
    if s[0] not in (FORWARD, DELIVER, CLIENT) or s[1] != 0:
        raise Refused("type or flags")
    if any(s[54:56]) or (any(s[56:64]) and not allow_trace):
        raise Refused("reserved")
    if s[0] != FORWARD and any(s[2:6]):
        raise Refused("delay")
    if s[0] == DELIVER and any(s[6:38]):
        raise Refused("next_id")


def peel(packet, keys, allow_trace=False):
    """keys: (y, Y, epoch) of each epoch that the hop accepts."""
    assert len(packet) == HEADER + PAYLOAD
    if packet[0] != VERSION:
        raise Refused("version")
    fitting = [k for k in keys if k[2] % 256 == packet[1]]
    if not fitting:
        raise Refused("epoch")
    y, onion, _ = fitting[0]
    alpha, beta, gamma = packet[2:34], packet[34:354], packet[354:370]
    hop = HopKeys(shared(y, alpha), alpha, onion)
    if gamma != gamma_of(hop.mac, packet):
        raise Refused("gamma")
    opened = xor(beta + bytes(SLOT), hop.stream)
    this, next_beta = opened[:SLOT], opened[SLOT:]
    check_slot(this, allow_trace)
    next_alpha = shared(hop.blind, alpha)
    payload = decrypt(hop.payload, packet[HEADER:])
    return Peeled(this, hop.replay_tag, packet[:2] + next_alpha + next_beta + this[38:54] + payload)
