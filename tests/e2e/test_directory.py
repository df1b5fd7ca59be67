"""The directory from the ledger: four validators, seven relays and three users; and a seed that only passes it on."""
import os
import shutil
import unittest

from network import PATIENCE_S, Network, sotto, wait_until

RELAYS = 7


class DirectoryFromTheLedger(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.net = Network(relays=RELAYS, users=3, validators=4, epoch=10)
        cls.net.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.net.__exit__(None, None, None)

    def directory_epoch(self, name):
        return int(next(line.split()[1] for line in self.net.metrics(name).splitlines()
                        if line.startswith("sotto_directory_epoch ")))

    def test_1_fourteen_nodes_are_ready_and_send(self):
        roles = sorted(node["role"] for node in self.net.status()["nodes"])
        self.assertEqual(roles, ["relay"] * RELAYS + ["user"] * 3 + ["validator"] * 4)
        self.assertEqual(self.net.send("by the ledger's directory")["state"], "acknowledged")

    def test_2_every_relay_is_registered_with_a_stake(self):
        relays = self.net.call("validator1", "GET", "/v1/relays")[1]["relays"]
        self.assertEqual(len(relays), RELAYS)
        self.assertEqual(len({relay["operator"] for relay in relays}), 1)

    def test_3_each_epoch_brings_a_directory_to_everybody_and_no_message_is_lost(self):
        begin = self.directory_epoch("user1")
        sent = 0
        while min(self.directory_epoch(name) for name in ("validator1", "relay1", "user1", "user2")) < begin + 3:
            self.assertEqual(self.net.send(f"through the epochs {sent}")["state"], "acknowledged")
            sent += 1
        self.assertIn(f"through the epochs {sent - 1}", self.net.texts("user2"))

    def test_4_a_relay_that_comes_later_registers_itself(self):
        self.net.order("add", "relay")
        wait_until(lambda: self.net.node(f"relay{RELAYS + 1}")["state"] == "ready", "the new relay to be listed")

    def test_5_the_network_goes_on_without_one_validator(self):
        self.net.order("kill", "validator2")
        begin = self.directory_epoch("user1")
        wait_until(lambda: self.directory_epoch("user1") >= begin + 2, "two more directories")
        self.assertEqual(self.net.send("with three validators")["state"], "acknowledged")
        self.net.order("start", "validator2")
        wait_until(lambda: self.net.node("validator2")["state"] == "ready", "the validator to be back")

    def test_6_no_log_speaks_of_a_refused_directory(self):
        for node in self.net.status()["nodes"]:
            with open(os.path.join(self.net.dir, node["name"], "log"), encoding="utf-8") as log:
                self.assertNotIn("directory refused", log.read(), node["name"])


class ASeedThatIsNoValidator(unittest.TestCase):
    def test_newcomers_get_the_directory_from_it_while_the_validator_is_away(self):
        with Network(relays=4, users=2, options=["--bootstraps", 1]) as net:
            self.assertEqual(net.node("bootstrap1")["role"], "bootstrap")
            net.send("before")
            net.order("kill", "validator1")
            net.order("kill", "user2")
            shutil.rmtree(os.path.join(net.dir, "user2", "data"))
            net.order("start", "user2", "--wait")  # knows nothing but genesis
            self.assertEqual(net.node("user2")["directory_epoch"], net.node("bootstrap1")["directory_epoch"])
            net.order("start", "validator1", "--wait")
            begin = net.node("bootstrap1")["directory_epoch"]
            wait_until(lambda: net.node("bootstrap1")["directory_epoch"] > begin, "it to follow the directory")
            net.order("restart", "bootstrap1", "--wait")
            sotto("testnet", "add", "--dir", net.dir, "--timeout", PATIENCE_S, "relay")  # registers itself in spite of it


if __name__ == "__main__":
    unittest.main()
