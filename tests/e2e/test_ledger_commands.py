"""What a person types about the ledger, against a node that the test plays: what is asked, signed, printed, refused."""
import http.server
import json
import os
import shutil
import struct
import sys
import tempfile
import threading
import unittest

import cases
from network import sotto

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
import ed25519_oracle  # noqa: E402

TOKEN = "t" * 64
VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "spec", "vectors")
NETWORK = "ab" * 32
OTHER = "cd" * 32
HEAD_BYTES = 1 + 32 + 1 + 32 + 8 + 8 + 2


def amount(grains):
    return {"grains": grains, "text": f"{grains} grains"}


def transaction(data):
    """The fields of an encoded transaction (ledger.md)."""
    version, network, kind, sender, nonce, fee, n = struct.unpack(">B32sB32sQQH", data[:HEAD_BYTES])
    assert version == 1 and len(data) == HEAD_BYTES + n + 64
    return {"network": network.hex(), "kind": kind, "sender": sender, "nonce": nonce, "fee": fee,
            "body": data[HEAD_BYTES:HEAD_BYTES + n], "signed": data[:-64], "signature": data[-64:]}


def is_signed(public, domain, message, signature):
    return ed25519_oracle.verify(public, domain.encode() + b"\0" + message, signature)


class Node:
    """An API on loopback that answers from a table and remembers what it was sent."""

    def __init__(self):
        node = self
        self.answers = {}
        self.asked = []
        self.submitted = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, body=None):
                node.asked.append(self.path)
                if self.headers["Authorization"] != f"Bearer {TOKEN}":
                    status, answer = 401, {"status": 401, "detail": "no token"}
                elif body is not None:
                    node.submitted.append(bytes.fromhex(json.loads(body)["tx"]))
                    status, answer = node.answers["POST"]
                else:
                    status, answer = node.answers.get(self.path, (404, {"status": 404, "detail": "there is no such thing"}))
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self):
                self.answer()

            def do_POST(self):
                self.answer(self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class LedgerCommands(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="sotto-ledger-")
        self.node = Node()
        self.folder = self.make_folder("validator")
        self.key = os.path.join(self.root, "me.key")
        self.account = sotto("account", "new", self.key).stdout.strip()
        self.node.answers = {
            "/v1/chain": (200, {"network": NETWORK, "fee_min": amount(1000), "relay_stake_min": amount(5000000),
                                "height": 4711}),
            f"/v1/accounts/{self.account}": (200, {"exists": True, "balance": amount(7), "nonce": 3, "next_nonce": 5}),
            "POST": (202, {"id": "ee" * 32, "status": "pending"}),
        }

    def tearDown(self):
        self.node.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def make_folder(self, name):
        folder = os.path.join(self.root, name)
        os.makedirs(os.path.join(folder, "data"))
        with open(os.path.join(folder, "data", "api.token"), "w", encoding="ascii") as file:
            file.write(TOKEN + "\n")
        os.chmod(os.path.join(folder, "data", "api.token"), 0o600)
        with open(os.path.join(folder, "config.yaml"), "w", encoding="ascii") as file:
            file.write(f"name: x\nroles: [relay]\ndata_dir: data\napi: {{listen: \"127.0.0.1:{self.node.port}\"}}\n")
        return folder

    def run_with(self, *arguments, check=True):
        return sotto(*arguments[:2], "--dir", self.folder, *arguments[2:], check=check)

    def send(self, *arguments, check=True):
        result = self.run_with(*arguments[:2], "--key", self.key, *arguments[2:], check=check)
        return result, transaction(self.node.submitted[-1]) if self.node.submitted else None

    def with_answers(self, path, answer):
        self.node.answers[path] = (200, answer)

    def test_a_transfer_has_what_the_network_asks_for_and_a_good_signature(self):
        result, tx = self.send("tx", "send", OTHER, "1.5SOT")
        self.assertEqual(result.stdout, f"{'ee' * 32} pending\n")
        self.assertEqual((tx["network"], tx["kind"], tx["sender"].hex()), (NETWORK, 1, self.account))
        self.assertEqual((tx["nonce"], tx["fee"]), (5, 1000))
        self.assertEqual(tx["body"], bytes.fromhex(OTHER) + struct.pack(">Q", 1500000))
        self.assertTrue(is_signed(tx["sender"], "sotto tx 1", tx["signed"], tx["signature"]))

    def test_a_checkpoint_is_what_the_node_has_verified(self):
        self.with_answers("/v1/status", {"ready": True, "checkpoint": "12:" + "ab" * 32})
        self.assertEqual(self.run_with("chain", "checkpoint").stdout, "12:" + "ab" * 32 + "\n")
        self.with_answers("/v1/status", {"ready": False})
        self.assertIn("none", self.run_with("chain", "checkpoint").stdout)

    def test_fee_and_nonce_may_be_given(self):
        _, tx = self.send("tx", "send", "--fee", "2000grains", "--nonce", "9", OTHER, "200 grains")
        self.assertEqual((tx["nonce"], tx["fee"]), (9, 2000))
        self.assertEqual(struct.unpack(">Q", tx["body"][32:]), (200,))

    def test_a_key_file_names_its_account(self):
        _, tx = self.send("tx", "send", self.key, "1SOT")
        self.assertEqual(tx["body"][:32].hex(), self.account)

    def test_an_amount_without_its_unit_or_out_of_bounds_is_refused_before_anything_is_sent(self):
        for text in ("1.5", "-1SOT", "1e3SOT", "0.0000001SOT", "1152921504606846976grains"):
            result, _ = self.send("tx", "send", "--", OTHER, text, check=False)
            self.assertEqual(result.returncode, 1, text)
            self.assertIn(text, result.stderr)
        self.assertEqual(self.node.submitted, [])

    def test_waiting_ends_with_the_outcome(self):
        self.node.answers["POST"] = (200, {"id": "ee" * 32, "status": "final", "height": 12,
                                           "outcome": {"done": True, "text": "done"}})
        result, _ = self.send("tx", "send", "--wait", OTHER, "1SOT")
        self.assertEqual(self.node.asked[-1], "/v1/txs?wait=final")
        self.assertEqual(result.stdout, f"{'ee' * 32} final in block 12\n")

    def test_what_failed_or_is_not_final_in_time_is_a_failure(self):
        self.node.answers["POST"] = (200, {"id": "ee" * 32, "status": "final", "height": 12,
                                           "outcome": {"done": False, "text": "the balance is too small"}})
        result, _ = self.send("tx", "send", "--wait", OTHER, "1SOT", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("the balance is too small", result.stderr)
        self.node.answers["POST"] = (202, {"id": "ee" * 32, "status": "pending"})
        result, _ = self.send("tx", "send", "--wait", OTHER, "1SOT", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("sotto tx show", result.stderr)

    def test_a_refusal_is_told_in_the_node_s_words(self):
        self.node.answers["POST"] = (422, {"status": 422, "title": "Unprocessable Content", "detail": "its fee is too low",
                                           "verdict": "fee_low"})
        result, _ = self.send("tx", "send", "--fee", "1grain", OTHER, "1SOT", check=False)
        self.assertEqual((result.returncode, result.stderr), (1, "sotto: its fee is too low\n"))

    def test_without_a_key_nothing_is_asked(self):
        result = self.run_with("tx", "send", OTHER, "1SOT", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("--key", result.stderr)
        self.assertEqual(self.node.asked, [])

    def test_another_node_is_named_by_address_and_token(self):
        token = os.path.join(self.folder, "data", "api.token")
        self.with_answers("/v1/consensus", {"height": 8, "step": "prevote"})
        result = sotto("chain", "head", "--consensus", "--api", f"http://127.0.0.1:{self.node.port}/", "--token-file", token)
        self.assertIn("prevote", result.stdout)
        result = sotto("chain", "head", "--api", f"http://127.0.0.1:{self.node.port}", check=False)
        self.assertEqual(result.returncode, 1)

    def test_every_record_can_be_had_as_one_line_of_json(self):
        paths = {
            ("chain", "head"): "/v1/chain",
            ("chain", "head", "--consensus"): "/v1/consensus",
            ("chain", "block", "12"): "/v1/blocks/12",
            ("chain", "block", "--txs", OTHER): f"/v1/blocks/{OTHER}/txs",
            ("chain", "validators"): "/v1/validators",
            ("chain", "mempool"): "/v1/mempool",
            ("validator", "list"): "/v1/validators",
            ("tx", "show", OTHER): f"/v1/txs/{OTHER}",
            ("account", "show", self.key): f"/v1/accounts/{self.account}",
            ("account", "history", "--limit", "7", OTHER): f"/v1/accounts/{OTHER}/txs?limit=7&cursor=0",
            ("relay", "list"): "/v1/relays?cursor=0",
            ("relay", "show", OTHER): f"/v1/relays/{OTHER}",
        }
        for command, path in paths.items():
            self.with_answers(path, {"made": path})
            result = self.run_with(*command, "--json")
            self.assertEqual(json.loads(result.stdout), {"made": path})
            self.assertEqual(result.stdout.count("\n"), 1)

    def test_lists_have_a_line_for_each_and_say_when_there_are_more(self):
        self.with_answers("/v1/validators", {"power": 4, "validators": [
            {"key": OTHER, "operator": NETWORK, "power": 1}, {"key": NETWORK, "operator": OTHER, "power": 3}]})
        self.assertIn(f"{OTHER}  power 1 of 4  operator {NETWORK}", self.run_with("chain", "validators").stdout)
        self.with_answers("/v1/relays?cursor=0", {"next": 200, "relays": [
            {"id": OTHER, "address": "r.example:7070", "stake": amount(5), "deliveries": 12, "rewards": amount(9)}]})
        result = self.run_with("relay", "list")
        self.assertIn("r.example:7070", result.stdout)
        self.assertIn("12 deliveries, rewards 9 grains", result.stdout)
        self.assertIn("--cursor 200", result.stderr)
        self.with_answers(f"/v1/accounts/{OTHER}/txs?limit=50&cursor=0", {"txs": [
            {"id": "ee" * 32, "height": 12, "kind": "transfer", "transfer": {"to": OTHER, "amount": amount(5)},
             "outcome": {"done": False, "text": "the balance is too small"}}]})
        line = self.run_with("account", "history", OTHER).stdout
        self.assertEqual(line.split()[:4], ["12", "transfer", "5", "grains"])
        self.assertIn("failed: the balance is too small", line)

    def test_a_record_is_shown_with_amounts_in_words(self):
        result = self.run_with("account", "show", self.key)
        self.assertRegex(result.stdout, r"(?m)^balance +7 grains$")
        self.assertRegex(result.stdout, r"(?m)^next_nonce +5$")

    def test_operators_who_vote_at_about_the_same_time_name_the_same_expiry(self):
        result, tx = self.send("validator", "vote", OTHER)
        self.assertEqual(tx["kind"], 7)
        self.assertEqual(tx["body"], bytes.fromhex(OTHER) + struct.pack(">QQ", 1, 10000))
        self.assertIn("--expiry-height 10000", result.stderr)
        self.node.answers["/v1/chain"][1]["height"] = 5000
        _, tx = self.send("validator", "vote", "--remove", OTHER)
        self.assertEqual(tx["body"], bytes.fromhex(OTHER) + struct.pack(">QQ", 0, 20000))

    def test_stake_stands_for_the_sender_or_another_key_that_agrees(self):
        def is_proven(tx):
            agreed = bytes.fromhex(NETWORK) + tx["sender"] + tx["body"][:32]
            return is_signed(tx["body"][:32], "sotto stake 1", agreed, tx["body"][40:])
        _, tx = self.send("validator", "stake", "100SOT")
        self.assertEqual((tx["kind"], tx["body"][:40]), (2, bytes.fromhex(self.account) + struct.pack(">Q", 100000000)))
        self.assertTrue(is_proven(tx))
        path = os.path.join(self.root, "validator.key")
        validator = sotto("keys", "node", path).stdout.strip()
        _, tx = self.send("validator", "stake", "--validator", path, "1SOT")
        self.assertEqual(tx["body"][:32].hex(), validator)
        self.assertTrue(is_proven(tx))
        result, _ = self.send("validator", "stake", "--validator", validator, "1SOT", check=False)
        self.assertEqual(result.returncode, 1)  # its secret is wanted, or a proof
        self.send("validator", "stake", "--validator", validator, "--proof", tx["body"][40:].hex(), "2SOT")
        self.assertTrue(is_proven(transaction(self.node.submitted[-1])))
        result, _ = self.send("validator", "stake", "--validator", validator, "--proof", "5d02", "2SOT", check=False)
        self.assertIn("sotto validator proof", result.stderr)

    def test_a_validator_s_key_agrees_to_a_stake_without_a_node(self):
        genesis = os.path.join(VECTORS, "genesis.json")
        with open(genesis, encoding="ascii") as file:
            case = json.load(file)["networks"][0]
        path = os.path.join(self.root, "network.sotto")
        with open(path, "w", encoding="ascii") as file:
            file.write(case["text"])
        proof = bytes.fromhex(sotto("validator", "proof", "--genesis", path, self.key, OTHER).stdout.strip())
        key = bytes.fromhex(self.account)
        self.assertTrue(is_signed(key, "sotto stake 1", bytes.fromhex(case["network"]) + bytes.fromhex(OTHER) + key, proof))

    def test_unstaking_names_only_an_amount(self):
        _, tx = self.send("validator", "unstake", "1SOT")
        self.assertEqual((tx["kind"], tx["body"]), (3, struct.pack(">Q", 1000000)))

    def relay_folder(self):
        folder = self.make_folder("relay7")
        relay = sotto("keys", "node", os.path.join(folder, "identity.key")).stdout.strip()
        self.with_answers("/v1/relay", {"id": relay, "address": "r.example:7070", "first_epoch": 3,
                                        "onion_keys": [f"{i:02x}" * 32 for i in range(1, 5)]})
        return folder, relay

    def test_a_relay_is_registered_with_what_its_node_says_and_signed_by_both(self):
        folder, relay = self.relay_folder()
        _, tx = self.send("relay", "register", "--deposit", "2SOT", folder)
        host = b"r.example"
        expected = (bytes.fromhex(relay) + bytes([len(host)]) + host + struct.pack(">HI", 7070, 3) +
                    b"".join(bytes([i]) * 32 for i in range(1, 5)) + struct.pack(">QQ", 5000000, 2000000))
        self.assertEqual((tx["kind"], tx["body"][:-64]), (4, expected))
        agreed = bytes.fromhex(NETWORK) + tx["sender"] + struct.pack(">Q", tx["nonce"]) + expected
        self.assertTrue(is_signed(bytes.fromhex(relay), "sotto register 1", agreed, tx["body"][-64:]))
        self.assertTrue(is_signed(tx["sender"], "sotto tx 1", tx["signed"], tx["signature"]))

    def test_a_relay_is_not_registered_with_another_s_key(self):
        folder, _ = self.relay_folder()
        result, _ = self.send("relay", "register", "--identity", self.key, folder, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("not the key of that relay", result.stderr)
        self.assertEqual(self.node.submitted, [])

    def test_a_relay_that_is_registered_is_not_paid_for_again(self):
        folder, relay = self.relay_folder()
        self.with_answers(f"/v1/relays/{relay}", {"id": relay, "operator": OTHER})
        result, _ = self.send("relay", "register", folder, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"registered already, by the operator {OTHER}", result.stderr)
        self.assertEqual(self.node.submitted, [])

    def test_only_a_relay_that_is_there_retires_and_once(self):
        result, _ = self.send("relay", "retire", check=False)
        self.assertIn("not the key of a registered relay", result.stderr)
        self.with_answers(f"/v1/relays/{self.account}", {"id": self.account, "retired_epoch": 4})
        result, _ = self.send("relay", "retire", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("retired already", result.stderr)
        self.assertEqual(self.node.submitted, [])

    def test_a_relay_retires_by_its_own_key(self):
        folder, relay = self.relay_folder()
        self.with_answers(f"/v1/accounts/{relay}", {"next_nonce": 2})
        self.with_answers(f"/v1/relays/{relay}", {"id": relay})
        self.run_with("relay", "retire", "--key", folder)
        tx = transaction(self.node.submitted[-1])
        self.assertEqual((tx["kind"], tx["sender"].hex(), tx["nonce"], tx["body"]), (6, relay, 2, b""))

    def test_help_teaches_by_example(self):
        for group, commands in {"tx": ["send", "show"], "chain": ["head", "block"], "account": ["new", "show", "history"],
                                "validator": ["vote", "stake", "proof", "unstake"],
                                "relay": ["show", "register", "retire"]}.items():
            for command in commands:
                text = sotto(group, command, "--help").stdout
                self.assertIn(f"usage: sotto {group} {command}", text)
                self.assertIn(f"\n  sotto {group} {command} ", text)


if __name__ == "__main__":
    cases.main()
