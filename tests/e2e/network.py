"""A local network for tests: real processes in a folder and on ports of their own, ended by their own supervisor."""
import fcntl
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

SOTTO = os.environ.get("SOTTO", "build/debug/sotto")
# SOTTO_... are settings of a node: a test's nodes get theirs from the test.
for variable in [name for name in os.environ if name.startswith("SOTTO_")]:
    del os.environ[variable]
# Sanitizers and busy machines are slow; no test asserts a time.
PATIENCE_S = 120


held_blocks = []


def free_base_port(width=300):
    """A block of ports, this process' own, of which the first few are free; below the kernel's ephemeral range."""
    for _ in range(100):
        base = 10000 + width * random.randrange(22000 // width)
        block = os.open(os.path.join(tempfile.gettempdir(), f"sotto-ports-{os.getuid()}-{base}"), os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(block, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(block)
            continue
        held_blocks.append(block)  # until this process ends
        if all(port_is_free(base + offset + i) for offset in (0, 100, 200) for i in range(16)):
            return base
    raise RuntimeError("no free block of ports")


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def sotto(*arguments, check=True, env=None, stdin=None, pass_fds=(), timeout=PATIENCE_S * 2, program=SOTTO):
    """Runs sotto; returns the completed process with text output."""
    result = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                            env={**os.environ, **(env or {})}, input=stdin, pass_fds=pass_fds)
    if check and result.returncode != 0:
        raise AssertionError(f"sotto {' '.join(map(str, arguments))}: {result.returncode}\n"
                             f"{result.stdout}{result.stderr}")
    return result


def wait_until(condition, what, patience_s=PATIENCE_S):
    """Polls a state; a test never sleeps for a time and hopes."""
    deadline = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience_s} s for {what}")
        time.sleep(0.05)


class Network:
    """`with Network(relays=4) as net:` starts one and ends it, whatever happens. Its nodes are the sottod beside `program`."""

    def __init__(self, relays=4, users=2, profile="fast", storage="rocksdb", epoch=10, validators=1, options=(),
                 program=SOTTO):
        self.program = program
        self.dir = tempfile.mkdtemp(prefix="sotto-e2e-")
        self.base_port = free_base_port()
        self.arguments = ["--validators", validators, "--relays", relays, "--users", users, "--profile", profile, "--storage", storage, "--epoch",
                          epoch, "--base-port", self.base_port, "--timeout", PATIENCE_S, *options]

    def up(self, check=True):
        return sotto("testnet", "up", "--dir", self.dir, *self.arguments, check=check, program=self.program)

    def __enter__(self):
        try:
            self.up()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.show_logs()
        sotto("testnet", "down", "--dir", self.dir, check=False)
        self.remove()

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def show_logs(self):
        for name in sorted(os.listdir(self.dir)):
            path = os.path.join(self.dir, name, "log")
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as log:
                    print(f"--- {name}\n" + "".join(log.readlines()[-8:]))

    def order(self, command, node, *options):
        return sotto("testnet", command, "--dir", self.dir, *options, node)

    def status(self):
        return json.loads(sotto("testnet", "status", "--dir", self.dir, "--json").stdout)

    def node(self, name):
        return next(node for node in self.status()["nodes"] if node["name"] == name)

    def link_address(self, name):
        """(host, port) of a node's links."""
        host, port = self.node(name)["link"].rsplit(":", 1)
        return host, int(port)

    def genesis(self):
        with open(os.path.join(self.dir, "genesis.sotto"), encoding="ascii") as file:
            return file.read()

    def nodes_in_state(self, state):
        return [node["name"] for node in self.status()["nodes"] if node["state"] == state]

    def send(self, text, sender="user1", to="user2", timeout=PATIENCE_S, check=True):
        result = sotto("testnet", "send", "--dir", self.dir, "--from", sender, "--to", to, "--timeout", timeout,
                       "--json", text, check=check)
        return json.loads(result.stdout) if result.stdout else None

    def call(self, name, method, path, body=None, token=True, headers=None):
        """The API of a node: (status, parsed body or None)."""
        request = urllib.request.Request(self.node(name)["api"] + path, method=method,
                                         data=None if body is None else json.dumps(body).encode())
        if token:
            with open(os.path.join(self.dir, name, "api.token"), encoding="ascii") as file:
                request.add_header("Authorization", "Bearer " + file.readline().strip())
        for key, value in (headers or {}).items():
            request.add_header(key, value)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            text = error.read()
            return error.code, json.loads(text) if text else None

    def messages(self, user):
        """All of them: the API lists at most 200 at once."""
        messages = []
        while True:
            after = messages[-1]["cursor"] if messages else 0
            status, body = self.call(user, "GET", f"/v1/messages?after={after}")
            assert status == 200, body
            messages += body["messages"]
            if len(body["messages"]) < 200:
                return messages

    def texts(self, user):
        return [message["text"] for message in self.messages(user) if message["incoming"]]

    def queue(self, text, sender="user1", to="user2"):
        """Puts a text into the outbox; it is durable when this returns."""
        status, body = self.call(sender, "POST", "/v1/messages", {"to": to, "text": text})
        assert status == 202, body
        return body["id"]

    def wait_state(self, user, message, state, patience_s=PATIENCE_S):
        def reached():
            status, body = self.call(user, "GET", f"/v1/messages/{message}")
            return status == 200 and body["state"] == state
        wait_until(reached, f"{message} to be {state}", patience_s)

    def metrics(self, name):
        with urllib.request.urlopen(self.node(name)["health"] + "/metrics", timeout=PATIENCE_S) as answer:
            return answer.read().decode()
