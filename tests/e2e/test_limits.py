"""The limits of a real node: who floods is held back or cut, whoever writes beside him is served."""
import os
import re
import socket
import unittest

import cases
from network import Network, wait_until
from stranger import Genesis, Link


class LowLimits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.net = Network(relays=4, options=["--low-limits"])
        cls.net.up()
        cls.net.send("they know each other")

    @classmethod
    def tearDownClass(cls):
        cls.net.__exit__(None, None, None)

    def counter(self, relay, name):
        return sum(float(value) for value in re.findall(rf"^sotto_{name} (\S+)$", self.net.metrics(relay), re.MULTILINE))

    def test_a_flooding_clients_packets_are_dropped_before_the_expensive_work(self):
        network = Genesis(self.net.genesis()).network
        for i in range(1, 5):
            flood = Link(None, *self.net.link_address(f"relay{i}"), network, source="127.0.0.2")
            try:
                for _ in range(2000):
                    flood.send_packet(b"\x01" + os.urandom(2417))
            except OSError:
                pass  # cut is as good
            # A client's rate is 100 a second: nearly all of these are over it.
            wait_until(lambda: self.counter(f"relay{i}", "packets_rate_limited_total") > 0
                       or self.counter(f"relay{i}", 'sockets_closed_total{reason="flood"}') > 0, "the flood to be noticed")
            self.net.send(f"beside the flood {i}")
            flood.close()
        self.assertEqual(self.net.nodes_in_state("ended"), [])

    def test_an_address_that_opens_many_connections_is_refused_more(self):
        address = self.net.link_address("relay1")
        held = []
        try:
            for _ in range(200):
                held.append(socket.create_connection(address, timeout=30, source_address=("127.0.0.3", 0)))
            wait_until(lambda: self.counter("relay1", 'sockets_refused_total{reason="rate"}')
                       + self.counter("relay1", 'sockets_refused_total{reason="handshakes"}') > 0, "a refusal")
            self.net.send("beside the crowd")
        finally:
            for connection in held:
                connection.close()


if __name__ == "__main__":
    cases.main()
