"""Killed, paused and restarted processes: what was acknowledged arrives, what waits is sent after all."""
import os
import socket
import unittest

import cases
from network import Network, PATIENCE_S, sotto, wait_until
from stranger import link_context


class KilledProcesses(unittest.TestCase):
    def test_one_relay_killed_hinders_nobody(self):
        with Network(relays=5) as net:
            net.send("before")
            net.order("kill", "relay2")
            for i in range(5):
                net.send(f"after {i}")
            net.order("start", "relay2", "--wait")
            net.send("with it again")
            self.assertEqual(net.texts("user2"), ["before"] + [f"after {i}" for i in range(5)] + ["with it again"])

    def test_all_replicas_killed_lose_nothing_that_was_acknowledged(self):
        with Network(relays=5) as net:
            net.send("so that they know each other")
            net.order("kill", "user2")
            message = net.queue("stored while the recipient is away")
            net.wait_state("user1", message, "stored")
            for i in range(1, 6):
                net.order("kill", f"relay{i}")
            for i in range(1, 6):
                net.order("start", f"relay{i}", "--wait")
            net.order("start", "user2", "--wait")
            net.wait_state("user1", message, "acknowledged")
            self.assertEqual(net.texts("user2")[-1], "stored while the recipient is away")

    def test_a_killed_senders_outbox_is_sent_when_it_is_back(self):
        with Network(relays=4) as net:
            net.send("first")
            for i in range(1, 5):
                net.order("pause", f"relay{i}")
            messages = [net.queue(f"waiting {i}") for i in range(5)]
            net.order("kill", "user1")
            for i in range(1, 5):
                net.order("resume", f"relay{i}")
            net.order("start", "user1", "--wait")
            for message in messages:
                net.wait_state("user1", message, "acknowledged")
            self.assertEqual(net.texts("user2"), ["first"] + [f"waiting {i}" for i in range(5)])

    def test_a_killed_recipient_shows_each_message_once(self):
        with Network(relays=4) as net:
            messages = [net.queue(f"message {i}") for i in range(6)]
            net.order("kill", "user2")
            net.order("start", "user2", "--wait")
            for message in messages:
                net.wait_state("user1", message, "acknowledged")
            self.assertEqual(net.texts("user2"), [f"message {i}" for i in range(6)])

    def test_the_network_comes_back_as_it_was(self):
        with Network(relays=4) as net:
            net.send("before the night")
            sotto("testnet", "down", "--dir", net.dir)
            net.up()
            net.send("after the night")
            self.assertEqual(net.texts("user2"), ["before the night", "after the night"])

    def test_without_validators_the_last_directory_serves_as_long_as_it_is_valid(self):
        with Network(relays=4) as net:
            net.send("while there is a validator")
            net.order("kill", "validator1")
            held = net.node("user1")["directory_epoch"]
            wait_until(lambda: net.node("user1")["epoch"] > held + 1, "an epoch without a directory")
            net.send("by the last directory")
            wait_until(lambda: net.node("user1")["directory_epoch"] == 0, "the last directory to expire")
            self.assertIn("directory", net.node("user1")["waiting_for"])
            waiting = net.queue("until there is another")
            net.order("start", "validator1", "--wait")
            net.wait_state("user1", waiting, "acknowledged")

    def test_a_new_relay_joins_with_the_next_epoch(self):
        with Network(relays=3) as net:
            sotto("testnet", "add", "--dir", net.dir, "--timeout", PATIENCE_S, "relay")
            self.assertEqual(net.node("relay4")["state"], "ready")
            net.send("with one more")


class StrangersAtThePort(unittest.TestCase):
    def test_garbage_and_silence_change_nothing_but_counters(self):
        with Network(relays=4) as net:
            open_sockets = []
            for i in range(1, 5):
                port = int(net.node(f"relay{i}")["link"].rsplit(":", 1)[1])
                for kind in range(6):
                    stranger = socket.create_connection(("127.0.0.1", port))
                    if kind % 2 == 0:
                        stranger.sendall(os.urandom(3000))
                    open_sockets.append(stranger)
                with socket.create_connection(("127.0.0.1", port)) as raw, link_context().wrap_socket(raw) as tls:
                    tls.sendall(os.urandom(20000))
                    # The relay cuts it: a read ends or fails.
                    tls.settimeout(PATIENCE_S)
                    try:
                        while tls.recv(65536):
                            pass
                    except OSError:
                        pass
            net.send("in spite of strangers")
            for stranger in open_sockets:
                stranger.close()
            self.assertEqual(net.nodes_in_state("ended"), [])


if __name__ == "__main__":
    cases.main()
