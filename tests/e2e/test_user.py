"""What a user types, against a network that runs: accounts, contacts, messages, strangers, backup, a proxy."""
import json
import os
import select
import shutil
import socket
import struct
import tempfile
import threading
import unittest

import cases
from network import Network, free_base_port, sotto, wait_until

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
        self.run("account", "create", "--genesis", os.path.join(net.dir, "genesis.sotto"), "--api-port",
                 free_base_port())

    def run(self, *arguments, check=True):
        proxy = ["--proxy", self.proxy] if self.proxy and arguments[0] != "account" else []
        return sotto(arguments[0], "--dir", self.dir, "--passphrase-file", self.passphrase, *proxy, *arguments[1:],
                     check=check)

    def link(self):
        return self.run("id").stdout.strip()

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)


class ProxyServer(threading.Thread):
    """A SOCKS5 server that counts what it connects."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"socks5://127.0.0.1:{self.listener.getsockname()[1]}"
        self.connected = 0

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            _, count = client.recv(2)
            methods = client.recv(count)
            if 2 in methods:
                client.sendall(b"\x05\x02")
                _, n = client.recv(2)
                client.recv(n)
                client.recv(client.recv(1)[0])
                client.sendall(b"\x01\x00")
            else:
                client.sendall(b"\x05\x00")
            _, _, _, kind = client.recv(4)
            if kind == 1:
                host = socket.inet_ntoa(client.recv(4))
            else:
                host = client.recv(client.recv(1)[0]).decode()
            (port,) = struct.unpack(">H", client.recv(2))
            server = socket.create_connection((host, port))
            client.sendall(b"\x05\x00\x00\x01" + b"\x00" * 6)
            self.connected += 1
            while True:
                readable, _, _ = select.select([client, server], [], [])
                for source in readable:
                    data = source.recv(65536)
                    if not data:
                        return
                    (server if source is client else client).sendall(data)
        except OSError:
            pass
        finally:
            client.close()


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
        proxy.start()
        alice, bob = self.account("alice", proxy.url), self.account("bob")
        alice.run("contacts", "add", "bob", bob.link())
        alice.run("send", "bob", "through a proxy")
        proxy.listener.close()
        self.assertGreater(proxy.connected, 0)

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
