#!/usr/bin/env python3
"""docs/spec/vectors/keys.json is what the script makes. Usage: test_key_oracle.py VECTORS_FOLDER"""

import pathlib
import sys
import unittest

import make_key_vectors

VECTORS = sys.argv[1]


class Vectors(unittest.TestCase):
    def test_the_file_is_what_the_script_makes(self):
        written = pathlib.Path(VECTORS, "keys.json").read_text(encoding="ascii")
        self.assertTrue(written == make_key_vectors.text(), "run make_key_vectors.py: keys.json differs")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
