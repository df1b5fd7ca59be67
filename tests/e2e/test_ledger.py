"""The ledger of a local network: four validators as processes, killed, paused, wiped, and robbed of their logs.

LEDGER_SECONDS=600 keeps killing for so long (the soak does).
"""
import http.client
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
import unittest

import cases
from network import Network, PATIENCE_S, sotto, wait_until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
import ed25519_oracle  # noqa: E402
import ledger_oracle  # noqa: E402
from wire_oracle import u64  # noqa: E402

VALIDATORS = 4
FEE = 1000
SECONDS = int(os.environ.get("LEDGER_SECONDS", "0"))
DISK_MB = 256


class Ledger:
    """The validators' APIs, spoken to directly: `sotto testnet status` before each question would take longer."""

    def __init__(self, net):
        self.net = net
        self.names = [f"validator{i + 1}" for i in range(VALIDATORS)]
        self.ports = {node["name"]: int(node["api"].rsplit(":", 1)[1]) for node in net.status()["nodes"]}

    def call(self, name, method, path, body=None):
        """(status, body); status 0: nobody answers."""
        with open(self.path(name, "api.token"), encoding="ascii") as file:
            headers = {"Authorization": "Bearer " + file.readline().strip()}
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[name], timeout=PATIENCE_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return 0, None
        finally:
            connection.close()

    def path(self, *parts):
        return os.path.join(self.net.dir, *parts)

    def seed(self, name):
        with open(self.path(name), encoding="ascii") as file:
            return bytes.fromhex(file.read().strip())

    def height(self, name):
        """-1: it does not answer."""
        status, chain = self.call(name, "GET", "/v1/chain")
        return chain["height"] if status == 200 else -1

    def wait_height(self, name, height):
        wait_until(lambda: self.height(name) >= height, f"{name} to reach height {height}")

    def wait_blocks(self, name, count=3):
        self.wait_height(name, self.height(name) + count)

    def block(self, name, height):
        status, block = self.call(name, "GET", f"/v1/blocks/{height}")
        assert status == 200, f"{name} has no block {height}: {status} {block}"
        return block

    def network(self):
        return bytes.fromhex(self.call(self.names[0], "GET", "/v1/chain")[1]["network"])

    def nonce(self, key):
        return self.call(self.names[0], "GET", f"/v1/accounts/{key.hex()}")[1]["next_nonce"]

    def assert_one_chain(self, test, seen=0):
        """Every validator has the same blocks, each on the one before. Returns the height up to which that was seen."""
        height = max(self.height(name) for name in self.names)
        for name in self.names:
            self.wait_height(name, height)
        for h in range(seen + 1, height + 1):
            blocks = [self.block(name, h) for name in self.names]
            test.assertEqual(len({block["id"] for block in blocks}), 1, f"height {h}")
            test.assertEqual([block["height"] for block in blocks], [h] * VALIDATORS)
            if h > 1:
                test.assertEqual(blocks[0]["parent"], self.block(self.names[0], h - 1)["id"])
        return height


class Load:
    """Transfers of one account, one after the other, each until it is final at the node that was asked."""

    def __init__(self, ledger, key_file):
        self.ledger = ledger
        self.seed = ledger.seed(key_file)
        self.network = ledger.network()
        self.nonce = ledger.nonce(ed25519_oracle.public_of(self.seed))
        self.final = {}  # id: height
        self.wrong = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(PATIENCE_S)

    def run(self):
        nodes = itertools.cycle(self.ledger.names)
        while not self.over.is_set():
            body = os.urandom(32) + u64(1)
            tx = ledger_oracle.transaction(self.seed, self.network, ledger_oracle.TRANSFER, self.nonce, FEE, body)
            self.nonce += 1
            if not self.submit(nodes, tx):
                return

    def submit(self, nodes, tx):
        """Until it is final: what a node took that was killed then is nowhere, and is sent to the next."""
        while not self.over.is_set():
            status, answer = self.ledger.call(next(nodes), "POST", "/v1/txs?wait=final", {"tx": tx.hex()})
            if status == 200:
                self.final[answer["id"]] = answer["height"]
                return True
            if status == 409 and answer.get("verdict") == "nonce_used":
                self.final[ledger_oracle.tx_id(tx).hex()] = None
                return True
            if status not in (0, 202, 409, 503):
                self.wrong = f"{status} {answer}"
                return False
        return False


class FourValidators(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.net = Network(relays=2, users=0, validators=VALIDATORS, epoch=3600, options=["--block-time", "200ms"])
        cls.net.up()
        cls.ledger = Ledger(cls.net)
        cls.seen = 0

    @classmethod
    def tearDownClass(cls):
        cls.net.__exit__(None, None, None)

    def assert_one_chain(self):
        type(self).seen = self.ledger.assert_one_chain(self, self.seen)

    def assert_nothing_final_was_lost(self, load):
        self.assertIsNone(load.wrong)
        self.assertGreater(len(load.final), 0)
        for tx, height in load.final.items():
            records = [self.ledger.call(name, "GET", f"/v1/txs/{tx}") for name in self.ledger.names]
            self.assertEqual([status for status, _ in records], [200] * VALIDATORS, tx)
            self.assertEqual({record["status"] for _, record in records}, {"final"})
            self.assertEqual(len({record["height"] for _, record in records} | ({height} - {None})), 1)

    def start(self, name):
        self.net.order("start", name, "--wait")

    def wait_ended(self, name):
        wait_until(lambda: self.net.node(name)["state"] == "ended", f"{name} to end")

    def kill(self, name):
        self.net.order("kill", name)
        self.wait_ended(name)

    def others(self, name):
        return next(other for other in self.ledger.names if other != name)

    def test_heights_rise_and_agree_and_status_tells_them(self):
        for name in self.ledger.names:
            self.ledger.wait_height(name, 3)
        self.assert_one_chain()
        for node in self.net.status()["nodes"]:
            if node["role"] == "validator":
                self.assertIsInstance(node["height"], int)
                self.assertGreaterEqual(node["height"], 3)
                self.assertIsInstance(node["round"], int)
                self.assertGreaterEqual(node["peers"], VALIDATORS - 1)

    def test_validators_keep_one_link_with_each_other_though_all_dial(self):
        def peers(name):
            status, consensus = self.ledger.call(name, "GET", "/v1/consensus")
            return consensus["peers"] if status == 200 else 0
        # Relays come and go by links of their own.
        wait_until(lambda: [peers(name) for name in self.ledger.names] == [VALIDATORS - 1] * VALIDATORS, "one link each")

    def test_a_transfer_is_final_everywhere(self):
        to = ed25519_oracle.public_of(os.urandom(32)).hex()
        sent = json.loads(sotto("tx", "send", "--key", self.ledger.path("faucet.key"), "--dir",
                                self.ledger.path("validator1"), "--wait", "--json", to, "5SOT").stdout)
        self.assertEqual(sent["status"], "final")
        for name in self.ledger.names:
            self.ledger.wait_height(name, sent["height"])
            record = self.ledger.call(name, "GET", f"/v1/txs/{sent['id']}")[1]
            self.assertEqual((record["status"], record["height"]), ("final", sent["height"]))
            self.assertEqual(self.ledger.call(name, "GET", f"/v1/accounts/{to}")[1]["balance"]["grains"], 5000000)

    def test_killed_paused_and_wiped_validators_lose_nothing_final(self):
        with Load(self.ledger, "faucet.key") as first, Load(self.ledger, "operator.key") as second:
            for name in self.ledger.names:
                self.kill(name)
                self.ledger.wait_blocks(self.others(name))
                self.start(name)
            self.net.order("pause", "validator3")
            self.ledger.wait_blocks("validator1")
            self.net.order("resume", "validator3")
            self.ledger.wait_height("validator3", self.ledger.height("validator1"))
            self.wipe("validator4")
            self.ledger.wait_height("validator4", self.ledger.height("validator1"))
            self.kill_for(SECONDS)
        self.assert_one_chain()
        self.assert_nothing_final_was_lost(first)
        self.assert_nothing_final_was_lost(second)

    def wipe(self, name):
        """With everything that it knows. The others go on first, past what it may have signed."""
        self.kill(name)
        self.ledger.wait_blocks(self.others(name))
        shutil.rmtree(self.ledger.path(name, "data"))
        os.mkdir(self.ledger.path(name, "data"))
        self.start(name)

    def kill_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            name = random.choice(self.ledger.names)
            action = random.choice([self.kill, self.wipe, lambda node: self.net.order("pause", node)])
            action(name)
            self.ledger.wait_blocks(self.others(name), random.randrange(1, 10))
            self.net.order("start" if self.net.node(name)["state"] == "ended" else "resume", name, "--wait")
            self.ledger.wait_height(name, self.ledger.height(self.others(name)))

    def assert_refuses_to_start(self, name, spoil, sentence):
        """Then it starts anew with nothing, and is with the others again."""
        self.kill(name)
        self.ledger.wait_blocks(self.others(name))
        spoil(self.ledger.path(name, "data", "consensus.log"))
        self.net.order("start", name)
        self.wait_ended(name)
        with open(self.ledger.path(name, "log"), encoding="utf-8") as log:
            self.assertIn(sentence, log.readlines()[-1])
        self.wipe(name)
        self.assert_one_chain()

    def onto_a_small_disk(self, name):
        """Moves the data of a validator that has ended onto a file system of its own."""
        data = self.ledger.path(name, "data")
        os.rename(data, data + ".kept")
        os.mkdir(data)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=700", "tmpfs", data]
        if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            os.rmdir(data)
            os.rename(data + ".kept", data)
            self.start(name)
            self.skipTest("needs root, and to be allowed to mount")
        shutil.copytree(data + ".kept", data, dirs_exist_ok=True)
        shutil.rmtree(data + ".kept")

    def back_from_the_small_disk(self, name):
        data = self.ledger.path(name, "data")
        if self.net.node(name)["state"] != "ended":
            self.kill(name)
        shutil.copytree(data, data + ".kept", ignore=shutil.ignore_patterns("filling"))
        subprocess.run(["umount", data], check=True)
        os.rmdir(data)
        os.rename(data + ".kept", data)
        self.start(name)

    @staticmethod
    def fill(path):
        with open(path, "wb", buffering=0) as file:
            try:
                while file.write(bytes(1 << 16)) > 0:
                    pass
            except OSError:
                pass  # full

    def test_a_validator_with_a_full_disk_ends_and_loses_nothing(self):
        data = self.ledger.path("validator4", "data")
        self.kill("validator4")
        self.onto_a_small_disk("validator4")
        self.addCleanup(self.back_from_the_small_disk, "validator4")
        self.start("validator4")
        with Load(self.ledger, "faucet.key") as load:
            filling = os.path.join(data, "filling")
            self.fill(filling)
            self.wait_ended("validator4")
            self.ledger.wait_blocks("validator1", 5)
            os.unlink(filling)
            self.start("validator4")
            self.ledger.wait_height("validator4", self.ledger.height("validator1"))
        self.assert_one_chain()
        self.assert_nothing_final_was_lost(load)

    def test_without_its_log_a_validator_refuses_to_start(self):
        self.assert_refuses_to_start("validator1", os.remove, "the log with what this key has signed is missing")

    def test_with_a_damaged_log_a_validator_refuses_to_start(self):
        def damage(path):
            with open(path, "r+b") as log:
                log.seek(20)
                byte = log.read(1)
                log.seek(20)
                log.write(bytes([byte[0] ^ 1]))
        self.assert_refuses_to_start("validator2", damage, "the consensus log is damaged")


if __name__ == "__main__":
    cases.main()
