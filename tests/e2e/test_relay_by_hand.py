"""A relay without its operator's key: registered, followed and retired from the command line, as the help texts say."""
import json
import os
import re
import shlex
import subprocess
import unittest
import urllib.error
import urllib.request

import cases
from network import Network, SOTTO, free_base_port, sotto, wait_until

EPOCH_S = 6
SOTTOD = os.path.join(os.path.dirname(SOTTO), "sottod")


def example(*command, with_option=""):
    """The arguments of the first example with the option in a command's --help."""
    lines = re.findall(r"(?m)^  sotto (.*?)(?:  #.*)?$", sotto(*command, "--help").stdout)
    return shlex.split(next(line for line in lines if with_option in line))


class RelayByHand(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.net = Network(relays=3, users=2, validators=4, epoch=EPOCH_S)
        cls.net.up()
        cls.port = free_base_port()
        cls.folder = os.path.join(cls.net.dir, "relay7")
        cls.node = None
        os.mkdir(cls.folder)

    @classmethod
    def tearDownClass(cls):
        cls.stop()
        cls.net.__exit__(None, None, None)

    @classmethod
    def start(cls, link_port):
        with open(os.path.join(cls.folder, "config.yaml"), "w", encoding="ascii") as file:
            file.write("name: relay7\nroles: relay\ngenesis: ../genesis.sotto\nidentity: identity.key\ndata_dir: data\n"
                       f"listen: 127.0.0.1:{link_port}\nstorage_free_min: 16M\n"
                       f"health: {{listen: \"127.0.0.1:{cls.port + 1}\"}}\napi: {{listen: \"127.0.0.1:{cls.port + 2}\"}}\n"
                       # All nodes share one address.
                       "limits: {handshakes_per_address: 1000, links_per_address: 1000, accepts_per_address_s: 1000,\n"
                       "  client_links_per_address: 1000, packets_per_s_per_link: 100000, packets_per_s_per_address: 100000}\n")
        with open(os.path.join(cls.folder, "log"), "ab") as log:
            cls.node = subprocess.Popen([SOTTOD, "--config", os.path.join(cls.folder, "config.yaml")], stdout=log, stderr=log)

    @classmethod
    def stop(cls):
        if cls.node is not None:
            cls.node.terminate()
            cls.node.wait()
            cls.node = None

    def typed(self, arguments, check=True):
        """What a help text says, typed in the network's folder."""
        here = os.getcwd()
        program = os.path.abspath(SOTTO)
        os.chdir(self.net.dir)
        try:
            return sotto(*arguments, check=check, program=program)
        finally:
            os.chdir(here)

    def shown(self):
        return json.loads(self.typed(["relay", "show", "--dir", "validator1", "--json", "relay7"]).stdout)

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port + 1}/readyz") as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except OSError:
            return {"ready": False, "waiting_for": ""}

    def test_1_a_relay_without_an_operator_waits_and_says_for_what(self):
        sotto("keys", "node", os.path.join(self.folder, "identity.key"))
        self.start(self.port)
        wait_until(lambda: "`sotto relay register`" in self.ready()["waiting_for"], "the relay to say what it waits for")
        result = self.typed(["relay", "show", "--dir", "validator1", "relay7"], check=False)
        self.assertEqual((result.returncode, result.stderr), (1, "sotto: no relay of this key is registered\n"))

    def test_2_an_operator_registers_it_as_the_help_says(self):
        account = self.typed(["account", "new", "operator7.key"]).stdout.strip()
        self.typed(["tx", "send", "--key", "faucet.key", "--dir", "validator1", "--wait", account, "150SOT"])
        words = [word.replace("operator.key", "operator7.key") for word in example("relay", "register", with_option="--wait")]
        self.assertIn("final in block", self.typed(words).stdout)
        relay = self.shown()
        self.assertEqual((relay["operator"], relay["stake"]["text"], relay["balance"]["text"]), (account, "100 SOT", "1 SOT"))
        self.assertEqual((relay["deliveries"], relay["rewards"]["grains"]), (0, 0))
        result = self.typed(words, check=False)
        self.assertIn("registered already", result.stderr)
        shown = json.loads(self.typed(["account", "show", "--dir", "validator1", "--json", account]).stdout)
        self.assertEqual(shown["nonce"], 1)  # nothing was paid for the second try

    def test_3_the_next_directory_lists_it(self):
        wait_until(lambda: self.ready()["ready"], "the relay to be listed")
        self.assertGreater(self.shown()["since_epoch"], 0)

    def test_4_it_is_paid_for_what_it_delivers(self):
        for i in range(5):
            self.net.send(f"by a relay registered by hand {i}")
        delivered = wait_until(lambda: (self.shown() if self.shown()["deliveries"] > 0 else self.more_texts()),
                               "its deliveries to be paid")
        self.assertGreater(delivered["rewards"]["grains"], 0)
        self.assertEqual(delivered["stake"]["text"], "100 SOT")

    def more_texts(self):
        """Which relays keep a mailbox is drawn: with four of them and three replicas a text passes by it seldom."""
        self.net.send("one more")

    def test_5_another_address_is_announced_by_the_relay_itself(self):
        self.stop()
        self.start(self.port + 3)
        wait_until(lambda: self.shown()["address"] == f"127.0.0.1:{self.port + 3}", "the new address on the ledger")

    def test_6_it_retires_by_its_own_key_and_leaves(self):
        result = self.typed(["relay", "retire", "--key", "operator7.key", "--dir", "validator1"], check=False)
        self.assertIn("a relay retires by its own key", result.stderr)
        words = example("relay", "retire", with_option="--wait")
        self.assertIn("final in block", self.typed(words).stdout)
        self.assertGreater(self.shown()["retired_epoch"], 0)
        wait_until(lambda: self.typed(["relay", "show", "--dir", "validator1", "relay7"], check=False).returncode != 0,
                   "the relay to leave the ledger")
        # What its account still has is the operator's by the relay's key.
        self.typed(["tx", "send", "--key", "relay7/identity.key", "--dir", "validator1", "--wait", "operator7.key", "0.5SOT"])


if __name__ == "__main__":
    cases.main()
