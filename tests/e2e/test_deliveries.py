"""Deliveries on the ledger of a local network: what relays delivered is claimed, proven and paid."""
import json
import unittest

import cases
from network import Network, sotto, wait_until

RELAYS = 4
EPOCH_S = 6
MESSAGES = 5


class Deliveries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.net = Network(relays=RELAYS, users=2, validators=4, epoch=EPOCH_S)
        cls.net.up()

    @classmethod
    def tearDownClass(cls):
        cls.net.__exit__(None, None, None)

    def relays(self):
        return [json.loads(sotto("relay", "show", "--dir", f"{self.net.dir}/validator1", "--json",
                                 f"{self.net.dir}/relay{i}").stdout) for i in range(1, RELAYS + 1)]

    def test_what_was_delivered_is_proven_and_paid_and_costs_nobody_its_stake(self):
        before = self.relays()
        for i in range(MESSAGES):
            self.net.send(f"to be paid for {i}")
        # A text and its acknowledgement, by three replicas each; all of it if an epoch's batch did not come in between.
        wait_until(lambda: sum(relay["deliveries"] for relay in self.relays()) >= 3 * MESSAGES, "deliveries to be paid")
        after = self.relays()
        self.assertLessEqual(sum(relay["deliveries"] for relay in after), 6 * MESSAGES)
        for was, relay in zip(before, after):
            self.assertEqual(relay["stake"], was["stake"])
            self.assertEqual(relay["rewards"]["grains"] > 0, relay["deliveries"] > 0)


if __name__ == "__main__":
    cases.main()
