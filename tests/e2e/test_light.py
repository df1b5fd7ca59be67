"""Nodes that were away while all validators were replaced come back: over the headers in between, or by a checkpoint."""
import os
import unittest

import cases
from network import Network, sotto, wait_until

EPOCH_S = 6
EXPIRY = 10000
POWER = 100  # of the newcomer: with it alone over two thirds


class Light(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.net = Network(relays=4, users=3, validators=4, epoch=EPOCH_S)
        cls.net.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.net.__exit__(None, None, None)

    def path(self, *parts):
        return os.path.join(self.net.dir, *parts)

    def metric(self, name, metric):
        return int(next(line.split()[1] for line in self.net.metrics(name).splitlines()
                        if line.startswith(f"sotto_{metric} ")))

    def by(self, key, *arguments):
        """A transaction that somebody signs, until it is final."""
        return sotto(*arguments[:2], "--key", self.path(*key), "--dir", self.path("validator1"), "--wait", *arguments[2:])

    def vote(self, key, validator, *options):
        self.by(key, "validator", "vote", "--expiry-height", EXPIRY, *options, self.path(validator, "validator.key"))

    def powers(self):
        validators = self.net.call("validator1", "GET", "/v1/validators")[1]["validators"]
        return sorted(validator["power"] for validator in validators)

    def log(self, name):
        with open(self.path(name, "log"), encoding="utf-8") as log:
            return log.read()

    def checkpoint(self, name):
        return sotto("chain", "checkpoint", "--dir", self.path(name)).stdout.strip()

    def stop(self, name):
        self.net.order("stop", name)
        wait_until(lambda: self.net.node(name)["state"] == "ended", f"{name} to be stopped")

    def start(self, name):
        self.net.order("start", name)
        wait_until(lambda: self.net.node(name)["state"] == "ready", f"{name} to be back")

    def test_1_all_validators_are_replaced_while_a_relay_and_two_users_are_away(self):
        self.net.order("add", "validator")
        for name in ("relay4", "user2", "user3"):
            self.stop(name)
        for i in range(1, 4):
            self.vote((f"validator{i}", "operator.key"), "validator5", "--power", POWER)
        wait_until(lambda: POWER in self.powers(), "the newcomer to have power")
        self.by(("faucet.key",), "tx", "send", self.path("validator5", "validator.key"), "1SOT")
        for i in range(1, 5):
            self.vote(("validator5", "validator.key"), f"validator{i}", "--remove")
        wait_until(lambda: self.powers() == [POWER], "the others to be out")

    def test_2_who_stayed_goes_on(self):
        begin = self.metric("user1", "directory_epoch")
        wait_until(lambda: min(self.metric(name, "directory_epoch") for name in ("relay1", "user1")) >= begin + 2,
                   "two more directories")

    def test_3_a_user_and_a_relay_come_back_over_the_headers_in_between(self):
        for name in ("relay4", "user2"):
            self.start(name)
            self.assertGreaterEqual(self.metric(name, "light_headers_total"), 2, name)
            self.assertNotIn("directory refused", self.log(name))
        self.assertEqual(self.net.send("past all validators of old")["state"], "acknowledged")

    def test_4_a_user_comes_back_by_a_checkpoint(self):
        checkpoint = self.checkpoint("relay1")
        with open(self.path("user3", "config.yaml"), "a", encoding="ascii") as config:
            config.write(f"checkpoint: {checkpoint}\n")
        self.start("user3")
        self.assertIn("the block of the checkpoint is trusted", self.log("user3"))
        self.assertEqual(self.metric("user3", "light_headers_total"), 0)
        self.assertGreaterEqual(int(self.checkpoint("user3").split(":")[0]), int(checkpoint.split(":")[0]))


if __name__ == "__main__":
    cases.main()
