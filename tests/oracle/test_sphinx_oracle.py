#!/usr/bin/env python3
"""The oracle against published values, against its own vectors, and against the C code in both directions.

Usage: test_sphinx_oracle.py PACKET_TOOL VECTORS_FOLDER
"""

import hashlib
import json
import pathlib
import random
import subprocess
import sys
import unittest

import make_packet_vectors
import sphinx_oracle as o

TOOL, VECTORS = sys.argv[1:3]
SEEDS = [hashlib.sha256(b"sotto oracle %d" % i).hexdigest() for i in range(2)]


def unhex(text):
    return bytes.fromhex(text)


def run_tool(*args, lines=()):
    out = subprocess.run([TOOL, *args], input="".join(lines), capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in out.stdout.splitlines()]


def hops_of(case):
    return [o.Hop(unhex(h["id"]), unhex(h["onion"]), h["epoch"], h["delay_ms"]) for h in case["hops"]]


def randomness_of(case):
    return {name: unhex(case[name]) for name in ("x", "end_gamma", "padding")}


class Primitives(unittest.TestCase):
    def test_x25519_is_that_of_rfc_7748(self):
        k = unhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
        u = unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
        self.assertEqual(o.x25519(k, u).hex(), "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")

    def test_chacha20_is_that_of_rfc_8439(self):
        # appendix A.1, test vectors 1 and 2: key and nonce zero, counter 0 and 1
        self.assertEqual(o.chacha20(bytes(32), 64).hex()[:32], "76b8e0ada0f13d90405d6ae55386bd28")
        self.assertEqual(o.chacha20(bytes(32), 128).hex()[128:160], "9f07e7be5551387a98ba977c732d080d")


class Vectors(unittest.TestCase):
    def test_the_file_is_what_the_script_makes(self):
        written = pathlib.Path(VECTORS, "packet.json").read_text(encoding="ascii")
        self.assertTrue(written == make_packet_vectors.text(), "run make_packet_vectors.py > packet.json")


class PacketsMadeByC(unittest.TestCase):
    def walk(self, case):
        packet = unhex(case["packet"])
        for i, hop in enumerate(case["hops"]):
            peeled = o.peel(packet, [(unhex(hop["secret"]), unhex(hop["onion"]), hop["epoch"])])
            packet = peeled.packet
            last = i + 1 == len(case["hops"])
            self.assertEqual(peeled.kind == o.FORWARD, not last)
            self.assertEqual(peeled.delay_ms, 0 if last else hop["delay_ms"])
            if not last:
                self.assertEqual(peeled.next_id.hex(), case["hops"][i + 1]["id"])
        return peeled, packet[o.HEADER :]

    def test_forward_packets_are_the_same_and_arrive(self):
        for seed in SEEDS:
            for case in run_tool("make", seed):
                if "surb" in case:
                    continue
                body = unhex(case["body"])
                self.assertEqual(o.make_packet(hops_of(case), body, **randomness_of(case)).hex(), case["packet"])
                peeled, payload = self.walk(case)
                self.assertEqual(peeled.kind, o.DELIVER)
                self.assertEqual(o.open_payload(payload), body)

    def test_replies_are_the_same_and_arrive(self):
        for seed in SEEDS:
            cases = [case for case in run_tool("make", seed) if "surb" in case]
            self.assertEqual(len(cases), o.HOPS_MAX)
            for case in cases:
                handle, surb_id, reply_seed, body = (unhex(case[k]) for k in ("handle", "id", "seed", "body"))
                surb, seeds = o.make_surb(hops_of(case), handle, surb_id, reply_seed, **randomness_of(case))
                self.assertEqual(surb.hex(), case["surb"])
                self.assertEqual(b"".join(seeds).hex(), case["seeds"])
                self.assertEqual(o.use_surb(surb, body).hex(), case["packet"])
                peeled, payload = self.walk(case)
                self.assertEqual((peeled.kind, peeled.next_id), (o.CLIENT, handle + surb_id))
                self.assertEqual(o.open_reply(payload, reply_seed, seeds), body)


class PacketsMadeByTheOracle(unittest.TestCase):
    def lines(self, rng):
        """Packets of every length with now and then a changed bit, and what the oracle makes of them."""
        for i in range(30):
            secrets = [rng.randbytes(32) for _ in range(1 + i % o.HOPS_MAX)]
            epoch = rng.randrange(2**32)
            hops = [o.Hop(rng.randbytes(32), o.x25519(s, o.BASE), epoch, rng.randrange(2**32)) for s in secrets]
            packet = bytearray(o.make_packet(hops, rng.randbytes(rng.randrange(o.BODY + 1)), rng.randbytes(32),
                                             rng.randbytes(16), rng.randbytes(256), trace=rng.randrange(2**64)))
            if i % 3 == 0:
                packet[rng.randrange(o.HEADER)] ^= 1 << rng.randrange(8)
            yield secrets[0], hops[0].onion, epoch, bytes(packet)

    def test_c_peels_them_to_the_same_bytes(self):
        cases = list(self.lines(random.Random(1)))
        answers = run_tool("peel", lines=[f"{s.hex()} {epoch} {packet.hex()}\n" for s, _, epoch, packet in cases])
        self.assertEqual(len(answers), len(cases))
        refused = 0
        for (secret, onion, epoch, packet), answer in zip(cases, answers):
            try:
                p = o.peel(packet, [(secret, onion, epoch)], allow_trace=True)
                expected = {"type": p.kind, "delay_ms": p.delay_ms, "trace": p.trace, "next_id": p.next_id.hex(),
                            "replay_tag": p.replay_tag.hex(), "packet": p.packet.hex()}
            except o.Refused:
                expected = "refused"
                refused += 1
            self.assertEqual(answer, expected)
        self.assertGreater(refused, 7)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
