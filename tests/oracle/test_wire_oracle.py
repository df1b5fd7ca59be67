#!/usr/bin/env python3
"""The oracle of what crosses links: against RFC 8032, and its vectors against the files. The C code is held to the same
files by tests/unit/wire and tests/unit/directory.

Usage: test_wire_oracle.py VECTORS_FOLDER
"""

import pathlib
import sys
import unittest

import ed25519_oracle as ed25519
import make_wire_vectors
import wire_oracle as o

VECTORS = sys.argv[1]


class Primitives(unittest.TestCase):
    def test_ed25519_is_that_of_rfc_8032(self):
        # section 7.1, tests 1 and 2
        for seed, public, message, signature in (
            ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
             "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
             "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
             "655141438e7a100b"),
            ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
             "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
             "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
             "b00d291612bb0c00")):
            seed, public, message, signature = map(bytes.fromhex, (seed, public, message, signature))
            self.assertEqual(ed25519.public_of(seed), public)
            self.assertEqual(ed25519.sign(seed, message), signature)
            self.assertTrue(ed25519.verify(public, message, signature))
            self.assertFalse(ed25519.verify(public, message + b"x", signature))

    def test_receipts_verify(self):
        seed, data = bytes(32), bytes(32)
        signature = o.receipt(seed, data, 7, [ed25519.public_of(seed)], 0, data, data, data, 9)
        inner = o.H("sotto receipt inner 1", data, data, o.u64(9), o.u8(0))
        covered = b"sotto receipt 1\0" + data + o.u32(7) + data + o.u8(1) + ed25519.public_of(seed) + inner
        self.assertTrue(ed25519.verify(ed25519.public_of(seed), covered, signature))


class Vectors(unittest.TestCase):
    def test_the_files_are_what_the_script_makes(self):
        for name in make_wire_vectors.FILES:
            written = pathlib.Path(VECTORS, name + ".json").read_text(encoding="ascii")
            self.assertTrue(written == make_wire_vectors.text(name), f"run make_wire_vectors.py: {name}.json differs")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
