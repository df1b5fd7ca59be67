#!/usr/bin/env python3
"""Makes docs/spec/vectors/packet.json, always the same. Usage: make_packet_vectors.py > packet.json"""

import hashlib
import json

import sphinx_oracle as o

EPOCH = 0x12345


def drawn(label, n):
    """Bytes that are the same in every run."""
    return hashlib.shake_256(b"sotto packet vectors " + label.encode()).digest(n)


def relays():
    out = []
    for i in range(o.HOPS_MAX):
        secret = drawn(f"relay {i}", 32)
        out.append((o.Hop(drawn(f"identity {i}", 32), o.x25519(secret, o.BASE), EPOCH, 1000 * i), secret))
    return out


RELAYS = relays()
HOPS = [hop for hop, _ in RELAYS]


def key_of(i):
    hop, secret = RELAYS[i]
    return secret, hop.onion, hop.epoch


def walk(packet, count, allow_trace=False):
    """What each hop of the route makes of the packet."""
    steps = []
    for i in range(count):
        peeled = o.peel(packet, [key_of(i)], allow_trace)
        packet = peeled.packet
        steps.append({"replay_tag": peeled.replay_tag.hex(), "slot": peeled.slot.hex(), "packet": packet.hex()})
    return steps, packet[o.HEADER :]


def randomness(label):
    return {"x": drawn(label + " x", 32), "end_gamma": drawn(label + " gamma", 16),
            "padding": drawn(label + " padding", 256)}


def shown(random):
    return {"ephemeral": random["x"].hex(), "end_gamma": random["end_gamma"].hex(), "padding": random["padding"].hex()}


def packet_case(count, body, trace):
    random = randomness(f"packet {count}")
    packet = o.make_packet(HOPS[:count], body, trace=trace, **random)
    steps, payload = walk(packet, count, trace != 0)
    assert o.open_payload(payload) == body
    return {"count": count, **shown(random), "trace": f"{trace:016x}", "body": body.hex(), "packet": packet.hex(),
            "peeled": steps}


def reply_case(count, body):
    random = randomness(f"reply {count}")
    handle, surb_id, seed = (drawn(f"{what} {count}", n) for what, n in (("handle", 16), ("id", 16), ("seed", 32)))
    surb, seeds = o.make_surb(HOPS[:count], handle, surb_id, seed, **random)
    packet = o.use_surb(surb, body)
    steps, payload = walk(packet, count)
    assert o.open_reply(payload, seed, seeds) == body
    return {"count": count, **shown(random), "handle": handle.hex(), "id": surb_id.hex(), "seed": seed.hex(),
            "surb": surb.hex(), "body": body.hex(), "packet": packet.hex(), "peeled": steps,
            "seeds": [s.hex() for s in seeds]}


def with_gamma(packet, mac):
    return packet[:354] + o.gamma_of(mac, packet) + packet[370:]


def forged(alpha, plain_slot, random, front=bytes([o.VERSION, EPOCH % 256])):
    """A packet for relay 0 over anything, with the gamma that a hop which does not look at it would accept."""
    keys = o.HopKeys(o.x25519(RELAYS[0][1], alpha), alpha, HOPS[0].onion)
    beta = o.xor(plain_slot + random["padding"], keys.stream[: o.BETA])
    return with_gamma(front + alpha + beta + bytes(16 + o.PAYLOAD), keys.mac)


def bad_alpha(alpha):
    random = randomness("refused")
    return forged(alpha, o.slot(o.DELIVER, 0, bytes(32), random["end_gamma"], 0), random)


def bad_slot(edit):
    random = randomness("refused")
    plain = bytearray(o.slot(o.DELIVER, 0, bytes(32), random["end_gamma"], 0))
    edit(plain)
    return forged(o.x25519(random["x"], o.BASE), bytes(plain), random)


def bad_front(version, epoch):
    random = randomness("refused")
    plain = o.slot(o.DELIVER, 0, bytes(32), random["end_gamma"], 0)
    return forged(o.x25519(random["x"], o.BASE), plain, random, bytes([version, epoch % 256]))


def set_at(at, value):
    def edit(plain):
        plain[at] = value
    return edit


ORDER_8 = 325606250916557431795983626356110631294008115727848805560023387167927233504
BAD_ALPHAS = (("0", 0), ("1", 1), ("of order 8", ORDER_8), ("p - 1", o.P - 1), ("p", o.P), ("p + 1", o.P + 1),
              ("p + 9, the base point", o.P + 9), ("2^255 - 1", 2**255 - 1), ("9 with bit 255 set", 2**255 + 9))
BAD_SLOTS = (("type 0", 0, 0), ("type 4", 0, 4), ("type 255", 0, 255), ("a flag", 1, 0x80),
             ("a delay at the last hop", 5, 1), ("an id at the last hop", 37, 1), ("the first reserved byte", 54, 1),
             ("the second reserved byte", 55, 1), ("a trace where none is allowed", 63, 1))


def moved_alpha():
    """alpha plus the point of order two, which leaves the shared secret as it is: clamped scalars are even."""
    good = o.make_packet(HOPS[:3], b"refused", **randomness("refused"))
    y, alpha = RELAYS[0][1], good[2:34]
    # on a Montgomery curve (u, v) + (0, 0) = (1 / u, ...)
    other = pow(int.from_bytes(alpha, "little"), o.P - 2, o.P).to_bytes(32, "little")
    s = o.shared(y, alpha)
    assert s == o.shared(y, other)
    moved = good[:2] + other + good[34:]
    yield "the gamma of the original", moved
    yield "a gamma by the original's key", with_gamma(moved, o.HopKeys(s, alpha, HOPS[0].onion).mac)


def refused_cases():
    for why, packet in moved_alpha():
        yield "alpha plus the point of order two, " + why, packet
    for why, u in BAD_ALPHAS:
        yield "alpha is " + why, bad_alpha(u.to_bytes(32, "little"))
    good = bad_slot(lambda plain: None)
    assert o.peel(good, [key_of(0)]).kind == o.DELIVER
    assert o.peel(bad_front(o.VERSION, EPOCH), [key_of(0)]).kind == o.DELIVER
    for version in (0, 2, 255):
        yield f"version {version}", bad_front(version, EPOCH)
    yield "the next epoch", bad_front(o.VERSION, EPOCH + 1)
    yield "a packet for relay 1", o.make_packet(HOPS[1:2], b"refused", **randomness("refused"))
    for why, at, value in BAD_SLOTS:
        yield "slot: " + why, bad_slot(lambda plain: plain.__setitem__(at, value))


def check_refused(why, packet):
    packet = packet[: o.HEADER] + bytes(o.PAYLOAD)
    try:
        o.peel(packet, [key_of(0)])
    except o.Refused:
        return {"why": why, "header": packet[: o.HEADER].hex()}
    raise AssertionError(why)


def lioness_case(n):
    key, plain = drawn(f"lioness key {n}", 192), drawn(f"lioness plain {n}", n)
    return {"key": key.hex(), "plain": plain.hex(), "cipher": o.lioness_encrypt(key, plain).hex()}


def vectors():
    bodies = [b"", b"a", b"a text of some length", drawn("body", 1504), drawn("long body", o.BODY)]
    return {
        "hops": [{"id": hop.identity.hex(), "secret": secret.hex(), "onion": hop.onion.hex(), "epoch": hop.epoch,
                  "delay_ms": hop.delay_ms} for hop, secret in RELAYS],
        "packets": [packet_case(i + 1, bodies[i], 0x1122334455667788 if i == 3 else 0) for i in range(o.HOPS_MAX)],
        "replies": [reply_case(i + 1, bodies[i]) for i in range(o.HOPS_MAX)],
        "refused": [check_refused(why, packet) for why, packet in refused_cases()],
        "lioness": [lioness_case(n) for n in (33, 64, 95, 2048)],
    }


def text():
    return json.dumps(vectors(), indent=1) + "\n"


if __name__ == "__main__":
    print(text(), end="")
