"""A full disk: relays refuse new items and say so, nothing is lost, and all goes on when there is space again."""
import os
import re
import shutil
import subprocess
import unittest

import cases
from network import Network, wait_until

SIZE_MB = 192
# storage_free_min of a local network's nodes is 16 MB: what is left here is less than that, but enough for small writes.
LEFT_MB = 12


class AFullDisk(unittest.TestCase):
    def setUp(self):
        self.net = Network(relays=3)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=700", "tmpfs", self.net.dir]
        if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            self.net.remove()
            self.skipTest("needs root, and to be allowed to mount")
        self.addCleanup(self.unmount)

    def unmount(self):
        subprocess.run(["umount", "-l", self.net.dir], check=True)
        self.net.remove()

    def fill(self):
        free = shutil.disk_usage(self.net.dir).free
        with open(os.path.join(self.net.dir, "filling"), "wb") as file:
            os.posix_fallocate(file.fileno(), 0, free - (LEFT_MB << 20))

    def free_bytes(self, relay):
        return float(re.search(r"^sotto_storage_free_bytes (\S+)", self.net.metrics(relay), re.MULTILINE).group(1))

    def test_new_items_are_refused_with_a_reason_and_sent_when_there_is_space_again(self):
        with self.net as net:
            net.send("while there is space")
            net.order("kill", "user2")
            kept = net.queue("acknowledged by the relays before")
            net.wait_state("user1", kept, "stored")

            self.fill()
            for relay in ("relay1", "relay2", "relay3"):
                wait_until(lambda: self.free_bytes(relay) < 16 << 20, f"{relay} to notice")
            waiting = net.queue("into the full disk")
            why = wait_until(lambda: net.call("user1", "GET", f"/v1/messages/{waiting}")[1].get("reason"), "a reason")
            self.assertIn("no space", why)
            self.assertEqual(net.call("user1", "GET", f"/v1/messages/{waiting}")[1]["state"], "queued")
            self.assertEqual([node["name"] for node in net.status()["nodes"] if node["state"] == "ended"], ["user2"])

            os.unlink(os.path.join(net.dir, "filling"))
            net.order("start", "user2", "--wait")
            for message in (kept, waiting):
                net.wait_state("user1", message, "acknowledged")
            self.assertEqual(net.texts("user2"), ["while there is space", "acknowledged by the relays before",
                                                  "into the full disk"])


if __name__ == "__main__":
    cases.main()
