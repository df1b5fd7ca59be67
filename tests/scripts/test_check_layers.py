"""scripts/check_layers accepts this tree and reports each kind of breach by file and line."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = sys.argv.pop(1)


class CheckLayers(unittest.TestCase):
    def setUp(self):
        self.tree = tempfile.TemporaryDirectory()
        self.addCleanup(self.tree.cleanup)
        os.mkdir(os.path.join(self.tree.name, "scripts"))
        shutil.copy(os.path.join(ROOT, "scripts/layers.txt"), os.path.join(self.tree.name, "scripts"))

    def check(self, root):
        run = subprocess.run([os.path.join(ROOT, "scripts/check_layers"), root], capture_output=True, text=True)
        return run.returncode, run.stdout.splitlines()

    def write(self, file, text):
        path = os.path.join(self.tree.name, file)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)

    def assert_breach(self, file, text, expected):
        self.write(file, text)
        status, lines = self.check(self.tree.name)
        self.assertEqual((status, lines), (1, [expected]))

    def assert_clean(self, file, text):
        self.write(file, text)
        self.assertEqual(self.check(self.tree.name), (0, []))

    def test_this_tree_keeps_the_rules(self):
        self.assertEqual(self.check(ROOT), (0, []))

    def test_a_folder_above_is_allowed(self):
        self.assert_clean("src/wire/x.c", '#include "wire/x.h"\n#include "crypto/hash.h"\n#include <string.h>\n')

    def test_a_folder_below_is_reported(self):
        self.assert_breach(
            "src/wire/x.c", '// x\n#include "node/node.h"\n', 'src/wire/x.c:2: wire/ may not include "node/node.h"'
        )

    def test_a_folder_beside_is_reported(self):
        self.assert_breach(
            "src/relay/x.c", '#include "mailbox/item.h"\n', 'src/relay/x.c:1: relay/ may not include "mailbox/item.h"'
        )

    def test_a_system_header_above_the_line_is_reported(self):
        self.assert_breach("src/node/x.h", "#  include <time.h>\n", "src/node/x.h:1: node/ may not include <time.h>")

    def test_a_library_in_the_wrong_folder_is_reported(self):
        self.assert_breach(
            "src/host/x.c", "#include <jansson.h>\n", "src/host/x.c:1: host/ may not include <jansson.h>"
        )

    def test_a_header_for_one_file_is_for_that_file(self):
        self.assert_clean("src/base/rng.c", "#include <sodium.h>\n")
        self.assert_breach(
            "src/base/heap.c", "#include <sodium.h>\n", "src/base/heap.c:1: base/ may not include <sodium.h>"
        )

    def test_a_banned_name_above_the_line_is_reported(self):
        self.assert_breach(
            "src/crypto/x.c", "\n\nrandombytes_buf(p, n);\n", "src/crypto/x.c:3: crypto/ may not use randombytes"
        )

    def test_a_banned_call_is_a_call(self):
        self.assert_breach("src/node/x.c", "now = time (NULL);\n", "src/node/x.c:1: node/ may not use time")
        self.assert_clean("src/node/x.c", "uint64_t time = read_time(r); // time(NULL) would not replay\n")

    def test_names_in_comments_and_texts_are_free(self):
        self.assert_clean("src/node/x.c", '/* printf(\n */ const char *text = "clock_gettime \\" gettimeofday";\n')

    def test_gnu_source_above_the_line_is_reported(self):
        self.assert_breach(
            "src/relay/meson.build", "c_args: '-D_GNU_SOURCE'\n", "src/relay/meson.build:1: relay/ may not use _GNU_SOURCE"
        )
        shutil.rmtree(os.path.join(self.tree.name, "src"))
        self.assert_clean("src/net/meson.build", "c_args: '-D_GNU_SOURCE'\n")

    def test_an_unknown_folder_is_reported(self):
        self.assert_breach("src/helpers/x.c", "\n", "src/helpers/x.c:1: helpers/ is not in scripts/layers.txt")

    def test_an_include_without_a_folder_is_reported(self):
        self.assert_breach("src/wire/x.c", '#include "x.h"\n', 'src/wire/x.c:1: "x.h" does not name its folder')
        self.assert_breach("src/wire/x.c", "#include HEADER\n", "src/wire/x.c:1: an include must name its file")

    def test_rules_out_of_order_are_refused(self):
        self.write("scripts/layers.txt", "pure base | crypto | \npure crypto | | \n")
        self.assertEqual(self.check(self.tree.name)[0], 1)


if __name__ == "__main__":
    unittest.main()
