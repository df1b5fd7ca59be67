"""Processes under fire: kills at any time, garbage and slow readers at every open port, while honest users write.

STORM_SECONDS (20) says for how long, STORM_SEED repeats a storm's choices (not its timing)."""
import os
import random
import socket
import threading
import time
import unittest

import cases
from network import Network, PATIENCE_S, wait_until
from stranger import link_context

SECONDS = int(os.environ.get("STORM_SECONDS", "20"))
SEED = int(os.environ.get("STORM_SEED") or random.randrange(1 << 32))
RELAYS = 5
# What a node may grow by under fire: queues and buffers are bounded. Sanitizers keep freed memory for a while.
GROWTH_MAX_BYTES = 96 << 20


def memory_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def is_sanitized(pid):
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as file:
        return "libasan" in file.read()


class Stranger(threading.Thread):
    """Keeps doing one wrong thing at one port."""

    def __init__(self, host, port, wrong, rng):
        super().__init__(daemon=True)
        self.address = (host, port)
        self.wrong = wrong
        self.rng = rng
        self.ended = threading.Event()
        self.times = 0

    def run(self):
        while not self.ended.is_set():
            try:
                with socket.create_connection(self.address, timeout=2) as raw:
                    raw.settimeout(1)
                    self.wrong(self, raw)
            except OSError:
                pass  # cut, as it should be
            self.times += 1
            self.ended.wait(0.02)

    def random_bytes(self, raw):
        raw.sendall(self.rng.randbytes(self.rng.randrange(1, 20000)))
        raw.recv(1000)

    def silence(self, raw):
        self.ended.wait(3)
        raw.recv(1)

    def half_a_handshake(self, raw):
        hello = bytes.fromhex("16030100f8010000f40303") + self.rng.randbytes(60)
        raw.sendall(hello[: self.rng.randrange(1, len(hello))])
        raw.recv(1)

    def garbage_under_tls(self, raw):
        with link_context().wrap_socket(raw) as tls:
            while not self.ended.is_set():
                tls.sendall(self.rng.randbytes(self.rng.randrange(1, 30000)))

    def never_reads_under_tls(self, raw):
        with link_context().wrap_socket(raw) as tls:
            self.ended.wait(3)
            tls.sendall(bytes(5000))

    def http_garbage(self, raw):
        start = self.rng.choice([b"", b"GET ", b"POST /v1/messages HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
                                 b"GET /v1/events HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"])
        raw.sendall(start + self.rng.randbytes(self.rng.randrange(1, 5000)) + b"\r\n\r\n")
        raw.recv(1000)

    def slow_http_reader(self, raw):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        raw.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 50)
        for _ in range(30):
            if self.ended.wait(0.1):
                return
            raw.recv(1)

    def slow_http_writer(self, raw):
        for byte in b"GET /v1/id HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 30:
            if self.ended.wait(0.1):
                return
            raw.sendall(bytes([byte]))


LINK_WRONGS = [Stranger.random_bytes, Stranger.silence, Stranger.half_a_handshake, Stranger.garbage_under_tls,
               Stranger.never_reads_under_tls]
HTTP_WRONGS = [Stranger.random_bytes, Stranger.silence, Stranger.http_garbage, Stranger.slow_http_reader,
               Stranger.slow_http_writer]


def open_ports(node):
    """[(host, port, what can be done wrong there)]"""
    ports = []
    for address, wrongs in ((node.get("link"), LINK_WRONGS), (node["health"], HTTP_WRONGS), (node["api"], HTTP_WRONGS)):
        if address:
            host, port = address.removeprefix("http://").rsplit(":", 1)
            ports += [(host, int(port), wrong) for wrong in wrongs]
    return ports


class AStorm(unittest.TestCase):
    def setUp(self):
        print(f"STORM_SEED={SEED}", flush=True)
        self.rng = random.Random(SEED)

    def test_garbage_and_slow_readers_at_every_port_change_nothing_but_counters(self):
        with Network(relays=3) as net:
            net.send("before")
            nodes = net.status()["nodes"]
            before = {node["name"]: memory_bytes(node["pid"]) for node in nodes}
            strangers = [Stranger(host, port, wrong, random.Random(self.rng.random()))
                         for node in nodes for host, port, wrong in open_ports(node)]
            for stranger in strangers:
                stranger.start()
            texts = ["before"]
            end = time.monotonic() + SECONDS / 2
            while time.monotonic() < end:
                texts.append(f"under fire {len(texts)}")
                net.send(texts[-1])
                self.assertEqual(net.call("user1", "GET", "/v1/id")[0], 200)
            for stranger in strangers:
                stranger.ended.set()
            for stranger in strangers:
                stranger.join()
            self.assertGreater(min(stranger.times for stranger in strangers), 0)
            for node in net.status()["nodes"]:
                self.assertEqual((node["name"], node["state"]), (node["name"], "ready"))
                self.assertIn(node["pid"], [before_node["pid"] for before_node in nodes])
                if not is_sanitized(node["pid"]):
                    self.assertLess(memory_bytes(node["pid"]), before[node["name"]] + GROWTH_MAX_BYTES, node["name"])
            self.assertEqual(net.texts("user2"), texts)

    def test_kills_and_pauses_at_any_time_lose_double_and_reorder_nothing(self):
        with Network(relays=RELAYS) as net:
            net.send("so that they know each other")
            sent = []
            down = {}  # node: how it comes back
            victims = [f"relay{i + 1}" for i in range(RELAYS)] + ["user1", "user2", "validator1"]
            end = time.monotonic() + SECONDS / 2
            while time.monotonic() < end:
                victim = self.rng.choice(victims)
                if victim in down:
                    net.order(down.pop(victim), victim)
                elif self.rng.random() < 0.7:
                    net.order("kill", victim)
                    down[victim] = "start"
                else:
                    net.order("pause", victim)
                    down[victim] = "resume"
                if "user1" not in down:
                    self.queue(net, sent)
            for victim, order in down.items():
                net.order(order, victim)
            wait_until(lambda: net.status()["ready"], "all to be ready")
            # A message's next try may be as far away as it has waited, up to 5 minutes.
            for message, _ in sent:
                net.wait_state("user1", message, "acknowledged", patience_s=PATIENCE_S + min(SECONDS * 2, 600))
            shown = net.texts("user2")
            self.assertEqual([text for text in shown if text in {text for _, text in sent}], [text for _, text in sent])
            self.assertEqual(len(shown), len(set(shown)))

    def queue(self, net, sent):
        """What the outbox has taken arrives; whether it took what was not answered, nobody knows."""
        text = f"in the storm {len(sent)} {self.rng.random()}"
        try:
            sent.append((net.queue(text), text))
        except (OSError, AssertionError):
            pass  # just started: its API is not there yet


if __name__ == "__main__":
    cases.main()
