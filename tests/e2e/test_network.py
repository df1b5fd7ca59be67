"""A local network as a person and a script meet it: up, send, status, errors, down."""
import json
import os
import re
import shutil
import socket
import subprocess
import unittest

import cases
from formats import metrics_errors, openapi_errors
from network import Network, PATIENCE_S, free_base_port, sotto, wait_until


class ALocalNetwork(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.net = Network(relays=7, users=3)
        cls.net.up()

    @classmethod
    def tearDownClass(cls):
        cls.net.__exit__(None, None, None)

    def test_a_message_is_stored_delivered_and_acknowledged_over_three_hops(self):
        sent = self.net.send("over three hops")
        self.assertEqual(sent["state"], "acknowledged")
        self.assertEqual(len(set(sent["hops"])), 3)
        self.assertTrue(all(hop.startswith("relay") for hop in sent["hops"]))
        self.assertLessEqual(sent["delivered_ms"], sent["acknowledged_ms"])
        self.assertIn("over three hops", self.net.texts("user2"))

    def test_a_replica_counts_what_it_can_prove_to_have_delivered(self):
        def proven():
            pattern = r"^sotto_mailbox_deliveries_proven_total (\d+)$"
            return [int(re.search(pattern, self.net.metrics(f"relay{i}"), re.M).group(1)) for i in range(1, 8)]
        before = sum(proven())
        sent = self.net.send("to be counted")
        self.assertIsNotNone(sent["counted_ms"])
        wait_until(lambda: sum(proven()) >= before + 3, "every replica to count it")

    def test_every_message_is_told_its_receipts_though_some_come_after_the_acknowledgement(self):
        def told(message):
            record = self.net.call("user1", "GET", f"/v1/messages/{message}")[1]
            return record["state"] == "acknowledged" and record["stored_ms"] is not None and record
        for message in [self.net.queue(f"with receipts {i}") for i in range(20)]:
            record = wait_until(lambda: told(message), f"the receipts of {message}")
            self.assertGreaterEqual(len(set(record["replicas"])), 2)
            self.assertEqual(len(set(record["hops"])), 3)

    def test_messages_of_a_conversation_keep_their_order_and_come_once(self):
        ids = [self.net.queue(f"in order {i}", "user2", "user3") for i in range(12)]
        for message in ids:
            self.net.wait_state("user2", message, "acknowledged")
        self.assertEqual([text for text in self.net.texts("user3") if text.startswith("in order")],
                         [f"in order {i}" for i in range(12)])

    def test_status_lists_every_node_with_its_addresses(self):
        status = self.net.status()
        self.assertTrue(status["ready"])
        self.assertEqual(sorted(node["role"] for node in status["nodes"]), ["relay"] * 7 + ["user"] * 3 + ["validator"])
        for node in status["nodes"]:
            self.assertEqual(node["state"], "ready")
            self.assertTrue(node["api"].startswith("http://127.0.0.1:"))

    def test_health_exits_with_0_when_all_are_ready(self):
        self.assertEqual(sotto("testnet", "health", "--dir", self.net.dir).returncode, 0)

    def test_metrics_are_a_clean_exposition(self):
        for name in ("relay1", "user1", "validator1"):
            text = self.net.metrics(name)
            self.assertEqual(metrics_errors(text), [])
            if shutil.which("promtool"):
                check = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True,
                                       timeout=PATIENCE_S)
                self.assertEqual(check.returncode, 0, check.stdout + check.stderr)

    def test_no_metric_names_a_peer_a_user_or_a_mailbox(self):
        import re
        for name in ("relay1", "user1"):
            self.assertIsNone(re.search(r"[0-9a-fA-F]{16}", self.net.metrics(name)))

    def test_the_api_refuses_without_token_with_a_wrong_one_and_from_other_sites(self):
        self.assertEqual(self.net.call("user1", "GET", "/v1/id", token=False)[0], 401)
        self.assertEqual(self.net.call("user1", "GET", "/v1/id", token=False,
                                       headers={"Authorization": "Bearer " + "0" * 64})[0], 401)
        self.assertEqual(self.net.call("user1", "GET", "/v1/id", headers={"Host": "evil.example"})[0], 403)
        self.assertEqual(self.net.call("user1", "GET", "/v1/id", headers={"Origin": "http://evil.example"})[0], 403)

    def test_the_token_file_is_its_owners_alone(self):
        self.assertEqual(os.stat(os.path.join(self.net.dir, "user1", "api.token")).st_mode & 0o777, 0o600)

    def test_the_openapi_document_is_served(self):
        status, document = self.net.call("user1", "GET", "/v1/openapi.json")
        self.assertEqual(status, 200)
        self.assertEqual(openapi_errors(document), [])

    def test_bad_requests_are_told_what_is_wanted(self):
        for body in ({}, {"to": "nobody", "text": "x"}, {"to": "user2", "text": ""}, {"to": "user2", "text": "x" * 1025}):
            status, answer = self.net.call("user1", "POST", "/v1/messages", body)
            self.assertIn(status, (400, 404))
            self.assertTrue(answer["detail"])

    def test_a_log_line_is_one_json_object_and_names_nobody(self):
        with open(os.path.join(self.net.dir, "relay1", "log"), encoding="utf-8") as log:
            lines = [json.loads(line) for line in log]
        self.assertTrue(lines)
        for line in lines:
            self.assertIn("timestamp", line)
            self.assertIn("severity", line)
        self.assertNotIn("user", json.dumps(lines))

    def test_a_second_start_of_the_same_network_is_refused(self):
        again = self.net.up(check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("running already", again.stderr)


class AStartThatFails(unittest.TestCase):
    def assert_nothing_runs(self, net):
        status = sotto("testnet", "status", "--dir", net.dir, check=False)
        self.assertEqual(status.returncode, 1)

    def test_a_busy_port_names_the_node_and_the_port(self):
        net = Network(relays=3, users=1)
        with socket.socket() as busy:
            busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            busy.bind(("127.0.0.1", net.base_port + 2))
            busy.listen()
            result = net.up(check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("relay2", result.stderr)
        self.assertIn(str(net.base_port + 2), result.stderr)
        self.assert_nothing_runs(net)
        net.remove()

    def test_a_node_that_dies_is_named_with_its_reason_and_its_log(self):
        net = Network(relays=3, users=1, options=["--set", "workers: 0"])
        result = net.up(check=False)
        self.assertEqual(result.returncode, 1)
        for part in ("validator1", "workers", "from 1 to 64", "log"):
            self.assertIn(part, result.stderr)
        self.assert_nothing_runs(net)
        net.remove()

    def test_bad_options_are_a_usage_error(self):
        for arguments in (["--relays", "none"], ["--profile", "slow"], ["--storage", "tape"], ["--nonsense"]):
            result = sotto("testnet", "up", "--dir", "/nonexistent", *arguments, check=False)
            self.assertEqual(result.returncode, 2, result.stderr)

    def test_a_network_without_a_validator_is_refused(self):
        result = sotto("testnet", "up", "--dir", "/nonexistent", "--validators", "0", check=False)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("--validators 0: a number from 1 to 16 is wanted", result.stderr)

    def test_more_seeds_than_a_genesis_names_are_refused(self):
        net = Network(validators=14, options=["--bootstraps", 3])
        result = net.up(check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("at most 16", result.stderr)
        net.remove()

    def test_a_genesis_of_another_form_is_named_with_its_line(self):
        net = Network(relays=2, users=0)
        net.up()
        sotto("testnet", "down", "--dir", net.dir)
        path = os.path.join(net.dir, "genesis.sotto")
        text = net.genesis()
        with open(path, "w", encoding="ascii") as file:
            file.write(text.replace("consensus poa\n", f"key {'0' * 64}\nconsensus poa\n"))
        result = net.up(check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("genesis.sotto:13: not as a genesis file should be", result.stderr)
        net.remove()

    def test_a_folder_without_a_network_says_how_to_make_one(self):
        result = sotto("testnet", "status", "--dir", "/nonexistent", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("sotto testnet up", result.stderr)


if __name__ == "__main__":
    cases.main()
