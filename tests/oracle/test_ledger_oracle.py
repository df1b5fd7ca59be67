#!/usr/bin/env python3
"""The ledger's oracle: against what the specification promises, and its vectors against the file. The C code is held to the
same file by tests/unit/ledger.

Usage: test_ledger_oracle.py VECTORS_FOLDER
"""

import pathlib
import sys
import unittest

import ledger_oracle as o
import make_ledger_vectors

VECTORS = sys.argv[1]


class Trees(unittest.TestCase):
    def test_paths_lead_to_the_root(self):
        for n in range(1, 20):
            items = [bytes([i]) * 32 for i in range(n)]
            for index in range(n):
                self.assertEqual(self.climb(n, index, items[index], o.merkle_path(items, index)), o.merkle_root(items))

    def climb(self, n, index, item, path):
        """RFC 9162, 2.1.3.2."""
        fn, sn, r = index, n - 1, o.merkle_leaf(item)
        for p in path:
            self.assertGreater(sn, 0)
            if fn & 1 or fn == sn:
                r = o.H("sotto node 1", p, r)
                while not fn & 1 and fn:
                    fn, sn = fn >> 1, sn >> 1
            else:
                r = o.H("sotto node 1", r, p)
            fn, sn = fn >> 1, sn >> 1
        self.assertEqual(sn, 0)
        return r


class Proposers(unittest.TestCase):
    def test_equal_powers_take_turns(self):
        for power in (1, 2**58):
            for turn in range(50):
                self.assertEqual(o.proposer([power] * 3, turn, 2), (turn + 2) % 3)

    def test_turns_are_in_proportion(self):
        powers = [1, 2, 3, 10]
        turns = [0] * 4
        for height in range(16000):
            turns[o.proposer(powers, height, 0)] += 1
        for power, count in zip(powers, turns):
            self.assertAlmostEqual(count, power * 1000, delta=5)


class Vectors(unittest.TestCase):
    def test_the_file_is_what_the_script_makes(self):
        written = pathlib.Path(VECTORS, "ledger.json").read_text(encoding="ascii")
        self.assertTrue(written == make_ledger_vectors.text(), "run make_ledger_vectors.py: ledger.json differs")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
