"""A validator and a follower as processes: what the ledger's routes, events and commands say of a chain that grows."""
import hashlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import cases
from formats import openapi_errors
from network import SOTTO, free_base_port, sotto, wait_until


def H(domain, *parts):
    return hashlib.blake2b(domain.encode() + b"\0" + b"".join(parts), digest_size=32).digest()


def root_of(proof, item):
    """Where a path leads (RFC 9162, 2.1.3.2)."""
    index, last, node = proof["index"], proof["tx_count"] - 1, H("sotto leaf 1", item)
    for sibling in map(bytes.fromhex, proof["path"]):
        if index & 1 or index == last:
            node = H("sotto node 1", sibling, node)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = H("sotto node 1", node, sibling)
        index, last = index >> 1, last >> 1
    assert last == 0
    return node.hex()


class Events:
    """The text frames of a node's /v1/events (RFC 6455)."""

    def __init__(self, port, token):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.sendall((f"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
                             "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
        self.file = self.socket.makefile("rb")
        assert b" 101 " in self.file.readline()
        while self.file.readline() not in (b"\r\n", b""):
            pass

    def next(self):
        first, n = self.file.read(2)
        assert first == 0x81
        n = int.from_bytes(self.file.read({126: 2, 127: 8}[n]), "big") if n >= 126 else n
        return json.loads(self.file.read(n))

    def close(self):
        self.file.close()
        self.socket.close()


class LedgerNetwork:
    """One validator, one follower, an account with all the grains."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="sotto-ledger-")
        self.base = free_base_port()
        self.processes = []
        keys = {name: self.key(name) for name in ("rich.key", "poor.key", "operator.key")}
        self.rich, self.poor = keys["rich.key"], keys["poor.key"]
        identities = [self.make_folder(i, name) for i, name in enumerate(("validator", "follower"))]
        self.validator = self.key("validator/validator.key")
        with open(self.path("genesis.sotto"), "w", encoding="ascii") as file:
            file.write(f"sotto-genesis 1\nname test\ntestnet true\ngenesis_ms {int(time.time() * 1000) - 1000}\n"
                       "epoch_ms 60000\nreplicas 2\nquorum 2\nmin_relays 1\nitem_lifetime_ms 604800000\nstamp_bits 0\n"
                       f"tick_ms 0\nprofile fast\nconsensus poa\nblock_ms 0\n"
                       "fee_min 1000\nrelay_stake_min 1000000\nvalidator_stake_min 1000000\nunbonding_ms 10000\n"
                       "slash_percent 5\nreward_pool 0\nreward_per_epoch 0\nsamples 8\n"
                       f"validator {self.validator} {keys['operator.key']} 1\naccount {self.rich} 1000000000\n"
                       f"seed {identities[0]} 127.0.0.1:{self.base}\n")
        with open(self.path("validator/config.yaml"), "a", encoding="ascii") as file:
            file.write("validator_key: validator.key\n")

    def path(self, *names):
        return os.path.join(self.root, *names)

    def key(self, name):
        return sotto("keys", "node", self.path(name)).stdout.strip()

    def make_folder(self, i, name):
        os.mkdir(self.path(name))
        with open(self.path(name, "config.yaml"), "w", encoding="ascii") as file:
            file.write(f"name: {name}\nroles: validator\ngenesis: ../genesis.sotto\nidentity: identity.key\n"
                       f"data_dir: data\nlisten: 127.0.0.1:{self.base + i}\n"
                       f"api: {{listen: \"127.0.0.1:{self.base + 100 + i}\"}}\n")
        return self.key(f"{name}/identity.key")

    def start(self):
        program = os.path.join(os.path.dirname(SOTTO) or ".", "sottod")
        for name in ("validator", "follower"):
            with open(self.path(name, "log"), "w", encoding="ascii") as log:
                self.processes.append(subprocess.Popen([program, "--config", self.path(name, "config.yaml")],
                                                       stdout=log, stderr=subprocess.STDOUT))
            wait_until(lambda name=name: self.run("chain", "head", on=name, check=False).returncode == 0, f"the {name}")

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, *arguments, on="validator", check=True):
        return sotto(*arguments[:2], "--dir", self.path(on), *arguments[2:], check=check)

    def record(self, *arguments, on="validator"):
        return json.loads(self.run(*arguments, "--json", on=on).stdout)

    def pay(self, *arguments, key="rich.key", check=True):
        return self.run("tx", "send", "--key", self.path(key), "--wait", *arguments, check=check)

    def port(self, name):
        return self.base + 100 + (name == "follower")

    def token(self, name):
        with open(self.path(name, "data", "api.token"), encoding="ascii") as file:
            return file.read().strip()

    def call(self, name, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port(name)}{path}",
                                         None if body is None else json.dumps(body).encode(),
                                         {"Authorization": f"Bearer {self.token(name)}"})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.headers["Content-Type"], json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Content-Type"], json.load(error)


class TheLedger(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.net = LedgerNetwork()
        cls.addClassCleanup(cls.net.stop)
        cls.net.start()

    def test_a_final_transfer_has_moved_grains_and_is_proven(self):
        before = self.net.record("account", "show", self.net.poor)["balance"]["grains"]
        tx = self.net.record("tx", "send", "--key", self.net.path("rich.key"), "--wait", self.net.path("poor.key"), "1.5SOT")
        self.assertEqual((tx["status"], tx["outcome"]["done"]), ("final", True))
        self.assertEqual(self.net.record("account", "show", self.net.poor)["balance"]["grains"], before + 1500000)
        block = self.net.record("chain", "block", tx["height"])
        self.assertIn(tx["id"], block["txs"])
        shown = self.net.record("tx", "show", tx["id"])
        self.assertEqual(root_of(shown["proof"], bytes.fromhex(tx["id"])), block["tx_root"])
        self.assertEqual(self.net.record("chain", "block", block["id"])["height"], tx["height"])
        contents = self.net.record("chain", "block", "--txs", tx["height"])["txs"]
        self.assertEqual([one["bytes"] for one in contents if one["id"] == tx["id"]], [shown["bytes"]])
        history = self.net.record("account", "history", self.net.poor)["txs"]
        self.assertEqual(history[0]["id"], tx["id"])

    def test_a_follower_says_the_same(self):
        head = self.net.record("chain", "head")["height"]
        wait_until(lambda: self.net.record("chain", "head", on="follower")["height"] >= head, "the follower")
        for height in range(1, head + 1):
            ours, theirs = (self.net.record("chain", "block", height, on=name) for name in ("validator", "follower"))
            self.assertEqual(ours["id"], theirs["id"])
        self.assertFalse(self.net.record("chain", "head", "--consensus", on="follower")["validator"])
        self.assertTrue(self.net.record("chain", "head", "--consensus")["validator"])

    def test_what_cannot_be_taken_is_refused_with_its_verdict(self):
        self.net.pay(self.net.path("poor.key"), "1SOT")
        refused = {("--nonce", "0"): "nonce_used", ("--nonce", "500"): "nonce_far", ("--fee", "1grain"): "fee_low",
                   ("--fee", "100000SOT"): "unpayable"}
        for options, verdict in refused.items():
            result = self.net.run("tx", "send", "--key", self.net.path("rich.key"), *options, self.net.poor, "1SOT",
                                  check=False)
            self.assertEqual(result.returncode, 1, verdict)
        status, kind, problem = self.net.call("validator", "/v1/txs", {"tx": "00" * 200})
        self.assertEqual((status, kind, problem["status"]), (400, "application/problem+json", 400))

    def test_a_transfer_that_fails_pays_its_fee_and_says_why(self):
        self.net.pay(self.net.path("poor.key"), "1SOT")
        before = self.net.record("account", "show", self.net.poor)["balance"]["grains"]
        result = self.net.pay(self.net.rich, "900SOT", key="poor.key", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("the balance is too small", result.stderr)
        self.assertEqual(self.net.record("account", "show", self.net.poor)["balance"]["grains"], before - 1000)

    def test_who_watches_is_told_of_blocks_and_their_transactions(self):
        for name in ("validator", "follower"):
            events = Events(self.net.port(name), self.net.token(name))
            self.addCleanup(events.close)
            # The stream is open when its first event comes; so payments are made until one has been told of.
            paid = {self.net.pay(self.net.path("poor.key"), "1grain").stdout.split()[0]}
            seen = {}
            while not paid & set(seen):
                event = events.next()
                if event["type"] == "tx":
                    seen[event["id"]] = event
                else:
                    self.assertEqual(event["type"], "block")
            told = seen[(paid & set(seen)).pop()]
            self.assertEqual((told["kind"], told["sender"], told["outcome"]["done"]), ("transfer", self.net.rich, True))

    def test_validators_and_relays_are_listed(self):
        validators = self.net.record("chain", "validators")
        self.assertEqual([one["key"] for one in validators["validators"]], [self.net.validator])
        self.assertEqual(self.net.record("relay", "list"), {"relays": []})
        self.assertEqual(self.net.call("validator", f"/v1/relays/{self.net.poor}")[0], 404)
        self.assertEqual(self.net.record("chain", "mempool")["count"], 0)

    def test_the_openapi_document_has_the_ledger_s_routes(self):
        status, _, document = self.net.call("follower", "/v1/openapi.json")
        self.assertEqual((status, openapi_errors(document)), (200, []))
        self.assertIn("/v1/blocks/{block}", document["paths"])
        self.assertNotIn("/v1/contacts", document["paths"])


if __name__ == "__main__":
    cases.main()
