"""A network whose operators want a certificate authority: without its certificate nobody gets in."""
import os
import re
import unittest

import cases
from network import Network, sotto, wait_until


class ANetworkWithItsOwnCA(unittest.TestCase):
    def certify(self, net, name):
        folder = os.path.join(net.dir, name)
        sotto("keys", "certify", "--ca", os.path.join(net.dir, "ca"), os.path.join(folder, "identity.key"),
              os.path.join(folder, "certificate.pem"))
        with open(os.path.join(folder, "config.yaml"), "a", encoding="ascii") as config:
            config.write("tls:\n  certificate: certificate.pem\n  ca: ../ca/ca.pem\n")

    def test_a_node_without_a_certificate_stays_outside_until_it_has_one(self):
        with Network(relays=4) as net:
            sotto("testnet", "down", "--dir", net.dir)
            sotto("keys", "ca", "--name", "a test's authority", os.path.join(net.dir, "ca"))
            for name in ("validator1", "relay1", "relay2", "relay3", "relay4"):
                self.certify(net, name)
            net.up()
            net.send("among the certified")

            late = sotto("testnet", "add", "--dir", net.dir, "--timeout", 3, "relay", check=False)
            self.assertEqual(late.returncode, 1, late.stdout)
            self.assertIn("relay5", late.stderr)
            self.assertIn("certificates do not fit", late.stderr)
            refused = re.search(r'^sotto_handshake_failures_total\{reason="tls"\} (\d+)', net.metrics("validator1"), re.M)
            self.assertGreater(int(refused.group(1)), 0)
            self.assertNotEqual(net.node("relay5")["state"], "ready")
            net.send("without the uncertified")

            self.certify(net, "relay5")
            net.order("restart", "relay5", "--wait")
            wait_until(lambda: net.node("relay5")["state"] == "ready", "relay5 to be ready")
            net.send("with one more")


if __name__ == "__main__":
    cases.main()
