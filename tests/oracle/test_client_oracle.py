#!/usr/bin/env python3
"""docs/spec/vectors/client.json is what the script makes, and the oracle reads its own letters back. The C code is held to the
same file by tests/unit/client/test_spec_vectors.c. Usage: test_client_oracle.py VECTORS_FOLDER"""

import json
import pathlib
import sys
import unittest

import make_client_vectors as vectors
import seal_oracle as seal

FILE = pathlib.Path(sys.argv[1], "client.json")


class Vectors(unittest.TestCase):
    def test_the_file_is_what_the_script_makes(self):
        self.assertTrue(FILE.read_text(encoding="ascii") == vectors.text(), "run make_client_vectors.py: client.json differs")

    def test_the_recipient_reads_each_letter_as_it_was_written(self):
        for case in json.loads(vectors.text())["letters"]:
            letter = seal.Letter(vectors.BOB, bytes.fromhex(case["mailbox"]), vectors.EXPIRY_MS, bytes.fromhex(case["item"]))
            self.assertEqual(letter.sender, vectors.ALICE.static, case["name"])
            self.assertEqual(letter.text.hex(), case["body"])
            read = (letter.kind, letter.stream, letter.sequence, letter.floor, letter.gap_expiry_ms)
            self.assertEqual(read, tuple(case[key] for key in ("kind", "stream", "sequence", "floor", "gap_expiry_ms")))

    def test_the_recipient_drops_each_item_that_is_refused(self):
        for why, item in vectors.refused():
            with self.assertRaises(seal.Unsealable, msg=why):
                seal.Letter(vectors.BOB, vectors.MAILBOXES["contact"], vectors.EXPIRY_MS, item)

    def test_nobody_else_reads_a_letter(self):
        case = json.loads(vectors.text())["letters"][0]
        with self.assertRaises(seal.Unsealable):
            seal.Letter(vectors.ALICE, bytes.fromhex(case["mailbox"]), vectors.EXPIRY_MS, bytes.fromhex(case["item"]))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
