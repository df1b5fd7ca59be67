"""What a user types, against a network that runs: accounts, contacts, messages, strangers, backup, a proxy."""
import json
import os
import shutil
import tempfile
import unittest

import cases
from network import Network, free_base_port, sotto, wait_until
from proxy import ProxyServer

PASSPHRASE = "correct horse battery staple"


class Account:
    """A folder of a user, and the commands in it."""

    def __init__(self, net, name, proxy=None):
        self.root = tempfile.mkdtemp(prefix="sotto-account-")
        self.dir = os.path.join(self.root, name)
        self.passphrase = os.path.join(self.root, "passphrase")
        self.proxy = proxy
        with open(self.passphrase, "w", encoding="ascii") as file:
            file.write(PASSPHRASE + "\n")
        os.chmod(self.passphrase, 0o600)
        sotto("account", "create", "--dir", self.dir, "--passphrase-file", self.passphrase, "--genesis",
              os.path.join(net.dir, "genesis.sotto"), "--api-port", free_base_port())

    def run(self, *arguments, check=True):
        proxy = ["--proxy", self.proxy] if self.proxy else []
        return sotto(arguments[0], "--dir", self.dir, "--passphrase-file", self.passphrase, *proxy, *arguments[1:],
                     check=check)

    def link(self):
        return self.run("id").stdout.strip()

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)


class AUser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.net = Network(relays=4, users=0)
        cls.net.up()

    @classmethod
    def tearDownClass(cls):
        cls.net.__exit__(None, None, None)

    def setUp(self):
        self.accounts = []

    def tearDown(self):
        for account in self.accounts:
            account.remove()

    def account(self, name, proxy=None):
        account = Account(self.net, name, proxy)
        self.accounts.append(account)
        return account

    def test_two_contacts_exchange_messages(self):
        alice, bob = self.account("alice"), self.account("bob")
        alice.run("contacts", "add", "bob", bob.link())
        bob.run("contacts", "add", "alice", alice.link())
        self.assertIn("stored", alice.run("send", "bob", "hello bob").stdout)
        wait_until(lambda: "hello bob" in bob.run("inbox").stdout, "bob's message")

    def test_a_stranger_waits_among_the_requests_until_accepted(self):
        alice, bob = self.account("alice"), self.account("bob")
        alice.run("contacts", "add", "bob", bob.link())
        alice.run("send", "bob", "we have not met")
        wait_until(lambda: "we have not met" in bob.run("requests").stdout, "the request")
        self.assertNotIn("we have not met", bob.run("inbox").stdout)
        number = bob.run("requests").stdout.split()[0]
        bob.run("requests", "accept", number, "alice")
        wait_until(lambda: "we have not met" in bob.run("inbox").stdout, "the accepted message")

    def test_a_proxy_carries_every_link(self):
        proxy = ProxyServer()
        alice, bob = self.account("alice", proxy.url), self.account("bob")
        alice.run("contacts", "add", "bob", bob.link())
        alice.run("send", "bob", "through a proxy")
        proxy.close()
        self.assertNotEqual(proxy.connections, [])

    def test_a_wrong_passphrase_is_told_and_opens_nothing(self):
        alice = self.account("alice")
        with open(alice.passphrase, "w", encoding="ascii") as file:
            file.write("wrong\n")
        result = alice.run("id", check=False)
        self.assertEqual(result.returncode, 1)
        with open(os.path.join(alice.dir, "log"), encoding="utf-8") as log:
            self.assertIn("passphrase", log.read())

    def test_the_database_holds_no_text_and_no_name_in_clear(self):
        alice, bob = self.account("alice"), self.account("bob")
        alice.run("contacts", "add", "zebulon", bob.link())
        alice.run("send", "zebulon", "a text that must not be found")
        for folder, _, names in os.walk(alice.dir):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    data = file.read()
                self.assertNotIn(b"must not be found", data, name)
                self.assertNotIn(b"zebulon", data, name)

    def test_a_link_of_another_network_is_refused_with_the_reason(self):
        alice = self.account("alice")
        with Network(relays=3, users=1) as other:
            link = other.call("user1", "GET", "/v1/id")[1]["link"]
        result = alice.run("contacts", "add", "eve", link, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("network", result.stderr)


if __name__ == "__main__":
    cases.main()
