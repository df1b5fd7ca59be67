"""Sotto spoken from outside: Python's standard library only, written from docs/spec, with the oracles of tests/oracle.

It knows nothing of the C code. One Link is one TLS connection to a relay, for honest and for hostile tests; a Stranger is a
whole client with an entry, its reply blocks and what it asks of mailboxes. For tests only: slow, and its keys are no secret
of the process.
"""
import os
import pathlib
import secrets
import socket
import ssl
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "oracle"))
import ed25519_oracle as ed25519  # noqa: E402
import seal_oracle as seal  # noqa: E402,F401
import sphinx_oracle as sphinx  # noqa: E402
import wire_oracle as wire  # noqa: E402

PATIENCE_S = 60
CELL, BODY = 2424, 2418
DUMMY, PACKET, REPLY, PART = range(4)
HELLO, PING, PONG, GET_DIRECTORY, DIRECTORY, HANDLES = 1, 2, 3, 4, 5, 16
STATUS = ["ok", "wrong epoch", "not replica", "bad time", "seen", "refused", "stamp", "mailbox full", "relay full",
          "expiry", "no quorum", "limit"]
ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
NOBODY = bytes(32)


class Closed(Exception):
    """The other side ended the link."""


class Silence(Exception):
    """Nothing came in time."""


class Malformed(Exception):
    """Bytes that the specification does not allow."""


def now_ms():
    return time.time_ns() // 1_000_000


class Reader:
    """Takes bytes apart from front to back; finish() refuses what is left."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def bytes(self, n):
        if self.at + n > len(self.data):
            raise Malformed("cut short")
        self.at += n
        return self.data[self.at - n : self.at]

    def number(self, n):
        return int.from_bytes(self.bytes(n), "big")

    def up_to(self, n, most, least=0):
        value = self.number(n)
        if not least <= value <= most:
            raise Malformed(f"{value} is not from {least} to {most}")
        return value

    def finish(self):
        if self.at != len(self.data):
            raise Malformed("bytes behind it")


# ---- genesis.md ----

class Genesis:
    KEYS = ["name", "testnet", "genesis_ms", "epoch_ms", "replicas", "quorum", "min_relays", "item_lifetime_ms",
            "stamp_bits", "tick_ms", "profile", "consensus", "block_ms", "fee_min", "relay_stake_min", "validator_stake_min",
            "unbonding_ms", "slash_percent", "reward_pool", "reward_per_epoch", "samples"]
    LISTS = ["validator", "account", "seed"]

    def __init__(self, text):
        lines = text.split("\n")
        if lines[0] != "sotto-genesis 1" or lines[-1] != "":
            raise Malformed("genesis")
        pairs = [line.split(" ", 1) for line in lines[1:-1]]
        once, lists = pairs[: len(self.KEYS)], [self.LISTS.index(key) for key, _ in pairs[len(self.KEYS) :]]
        if [key for key, _ in once] != self.KEYS or lists != sorted(lists):
            raise Malformed("genesis")
        values = dict(once)
        self.network = wire.network_of(text)
        for key in ("genesis_ms", "epoch_ms", "replicas", "quorum", "item_lifetime_ms", "stamp_bits"):
            setattr(self, key, int(values[key]))
        self.powers = dict(self.validator(value) for key, value in pairs if key == "validator")
        self.seeds = [self.seed(value) for key, value in pairs if key == "seed"]

    @staticmethod
    def validator(value):
        consensus_key, _, power = value.split(" ")
        return bytes.fromhex(consensus_key), int(power)

    @staticmethod
    def seed(value):
        identity, address = value.split(" ")
        host, port = address.rsplit(":", 1)
        return bytes.fromhex(identity), host.strip("[]"), int(port)

    def epoch_at(self, wall_ms):
        return 0 if wall_ms < self.genesis_ms else (wall_ms - self.genesis_ms) // self.epoch_ms + 1

    def begin_of(self, epoch):
        return self.genesis_ms + (epoch - 1) * self.epoch_ms


# ---- ledger.md, "Light clients"; state.md, "Tree" ----

def tree_root(key, value, siblings):
    """The root of a state in which an entry has that value; siblings from the root down."""
    hashed = wire.H("sotto key 1", key)
    node = wire.H("sotto tree leaf 1", hashed, wire.H("sotto value 1", value))
    for depth in reversed(range(len(siblings))):
        right = hashed[depth // 8] >> 7 - depth % 8 & 1
        node = wire.H("sotto tree node 1", *((siblings[depth], node) if right else (node, siblings[depth])))
    return node


class Header:
    """What a light client looks at."""

    def __init__(self, data):
        reader = Reader(data)
        reader.up_to(1, 1, 1)
        self.network = reader.bytes(32)
        self.height, self.time_ms = reader.up_to(8, 2**64 - 1, 1), reader.number(8)
        reader.bytes(32)
        self.state_root = reader.bytes(32)
        reader.bytes(36)
        self.validators = reader.bytes(32)
        reader.bytes(68)
        reader.finish()
        self.id = wire.H("sotto block 1", data)


def read_validators(reader):
    """Consensus keys and powers, in the order of the set."""
    validators = []
    for _ in range(reader.up_to(2, 100, 1)):
        key, _ = reader.bytes(32), reader.bytes(32)
        validators.append((key, reader.up_to(8, 2**60 - 1, 1)))
    return validators


class Bundle:
    """A directory and its proof, verified from genesis (poa: its validators are trusted without limit of time)."""

    def __init__(self, genesis, data):
        reader = Reader(data)
        reader.up_to(1, 1, 1)
        self.epoch = reader.number(4)
        self.directory = reader.bytes(reader.up_to(4, 983_040))
        proof = Reader(reader.bytes(reader.up_to(2, 8259)))
        self.header = Header(reader.bytes(249))
        certificate = reader.bytes(45), [(reader.up_to(2, 99), reader.bytes(64)) for _ in range(reader.up_to(2, 100, 1))]
        at = reader.at
        validators = read_validators(reader)
        reader.finish()
        if self.header.network != genesis.network:
            raise Malformed("another network's directory")
        if self.header.validators != wire.H("sotto validators 1", data[at:]):
            raise Malformed("validators of the header")
        self.check_certificate(genesis, validators, *certificate)
        self.check_proof(proof)

    def check_certificate(self, genesis, validators, vote, signatures):
        """Over two thirds of the header's validators signed it, and over a third of those of genesis."""
        if vote[:9] != wire.u8(2) + wire.u64(self.header.height) or vote[13:] != self.header.id:
            raise Malformed("the certificate of another header")
        indices = [index for index, _ in signatures]
        if any(a >= b for a, b in zip(indices, indices[1:])) or indices[-1] >= len(validators):
            raise Malformed("signers of the certificate")
        signers = [validators[index] for index in indices]
        known = sum(genesis.powers.get(key, 0) for key, _ in signers)
        if 3 * sum(power for _, power in signers) <= 2 * sum(power for _, power in validators):
            raise Malformed("too few signed")
        if 3 * known <= sum(genesis.powers.values()):
            raise Malformed("too few of those signed that genesis names")
        for (key, _), (_, signature) in zip(signers, signatures):
            if not ed25519.verify(key, b"sotto vote 1\0" + genesis.network + vote + key, signature):
                raise Malformed("signature of a validator")

    def check_proof(self, proof):
        """The state under the header has the directory's hash."""
        count = proof.up_to(2, 256)
        proof.up_to(1, 1, 1)
        siblings = [proof.bytes(32) for _ in range(count)]
        proof.finish()
        value = wire.H("sotto directory hash 1", self.directory)
        if tree_root(b"d" + wire.u32(self.epoch), value, siblings) != self.header.state_root:
            raise Malformed("not the ledger's directory")


# ---- directory.md ----

def read_relay(reader):
    relay = {"id": reader.bytes(32), "placement": reader.bytes(32)}
    relay["host"] = reader.bytes(reader.up_to(1, 63, 1)).decode("ascii")
    relay["port"] = reader.up_to(2, 65535, 1)
    relay["placed"] = reader.up_to(1, 1)
    relay["since_epoch"] = reader.number(4)
    relay["keys"] = [reader.bytes(32) for _ in range(reader.up_to(1, 3))]
    if NOBODY in relay["keys"]:
        raise Malformed("a key of zeros")
    return relay


class Directory:
    """A verified directory."""

    def __init__(self, genesis, data):
        bundle = Bundle(genesis, data)
        reader = Reader(bundle.directory)
        reader.up_to(1, 1, 1)
        if reader.bytes(32) != genesis.network:
            raise Malformed("another network's directory")
        self.epoch = reader.up_to(4, bundle.epoch, max(bundle.epoch, 1))
        self.issued_ms = reader.number(8)
        self.changed_epoch = reader.up_to(4, self.epoch)
        self.stamp_bits = reader.number(1)
        self.relays = [read_relay(reader) for _ in range(reader.up_to(2, 4096))]
        reader.finish()
        ids = [relay["id"] for relay in self.relays]
        if any(a >= b for a, b in zip(ids, ids[1:])) or any(r["since_epoch"] > self.epoch for r in self.relays):
            raise Malformed("relays of the directory")
        self.by_id = dict(zip(ids, self.relays))
        self.replicas = genesis.replicas

    def ranks(self, mailbox):
        return wire.placement(self.relays, mailbox, self.replicas)

    def homes(self, mailbox):
        return self.ranks(mailbox)[: self.replicas]

    def hops(self):
        """The relays that can be hops in this directory's epoch."""
        return [relay["id"] for relay in self.relays if relay["keys"]]

    def hop(self, identity):
        return sphinx.Hop(identity, self.by_id[identity]["keys"][0], self.epoch, 0)


# ---- links.md, cells.md ----

def certificate_key(der):
    """The Ed25519 key of a certificate: its SubjectPublicKeyInfo has but one encoding (RFC 8410)."""
    at = der.find(ED25519_SPKI)
    if at < 0:
        raise Malformed("not a certificate of an Ed25519 key")
    return der[at + len(ED25519_SPKI) :][:32]


def link_context(alpn="sotto/1"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn] if alpn else [])
    return context


class Link:
    """A link after our hello. identity None: whoever answers; source: the address to come from."""

    def __init__(self, identity, host, port, network, epoch=0, version=1, alpn="sotto/1", source=""):
        raw = socket.create_connection((host, port), timeout=PATIENCE_S, source_address=(source, 0))
        self.tls = link_context(alpn).wrap_socket(raw)
        if identity not in (None, certificate_key(self.tls.getpeercert(binary_form=True))):
            self.tls.close()
            raise Malformed("not the relay that was meant")
        self.identity, self.network = identity, network
        self.input, self.message, self.pongs = b"", None, []
        self.replies = []  # that came while a message was waited for
        self.heard_epoch = None
        self.send(wire.hello(version, network, epoch, 0))

    def close(self):
        self.tls.close()

    def send_cell(self, cell):
        self.tls.sendall(cell)

    def send(self, message):
        for cell in wire.message_cells(message):
            self.send_cell(cell)

    def send_packet(self, packet):
        self.send_cell(wire.cell(PACKET, 0, packet))

    def read_cell(self, deadline):
        while len(self.input) < CELL:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Silence
            self.tls.settimeout(left)
            try:
                data = self.tls.recv(65536)
            except TimeoutError as error:
                raise Silence from error
            except OSError as error:
                raise Closed(str(error)) from error
            if not data:
                raise Closed
            self.input += data
        cell, self.input = self.input[:CELL], self.input[CELL:]
        return cell

    def take_part(self, flags, body):
        """A whole message, or None."""
        if (self.message is None) != bool(flags & 1) or not flags & 2 and len(body) != BODY or not body:
            raise Malformed("parts")
        whole = (self.message or b"") + body
        self.message = None if flags & 2 else whole
        return whole if flags & 2 else None

    def take(self, cell):
        """What a cell ends: ("reply", SURB id, payload), ("message", its bytes), or None."""
        reader = Reader(cell)
        kind, flags = reader.up_to(1, PART), reader.up_to(1, 3)
        body = reader.bytes(0) if kind == DUMMY else None
        length = reader.up_to(2, BODY)
        if reader.bytes(2) != bytes(2) or (flags and kind != PART):
            raise Malformed("reserved bytes of a cell")
        body = reader.bytes(length)
        if kind == REPLY:
            return "reply", body[:16], body[16:2064]
        if kind != PART:
            return None
        if any(cell[6 + length :]):
            raise Malformed("filling of a part")
        message = self.take_part(flags, body)
        return None if message is None else self.take_message(message)

    def take_message(self, message):
        if message[0] == PING:
            self.send(wire.ping(PONG, int.from_bytes(message[1:9], "big")))
        elif message[0] == PONG:
            self.pongs.append(int.from_bytes(message[1:9], "big"))
        elif message[0] == HELLO:
            if message[3:35] != self.network:
                raise Malformed("hello of another network")
            self.heard_epoch = int.from_bytes(message[35:39], "big")
        return "message", message

    def next(self, deadline):
        """The next reply or message."""
        while True:
            taken = self.take(self.read_cell(deadline))
            if taken:
                return taken

    def wait_message(self, kind, patience_s=PATIENCE_S):
        deadline = time.monotonic() + patience_s
        while True:
            taken = self.next(deadline)
            if taken[0] == "reply":
                self.replies.append(taken)
            elif taken[1][0] == kind:
                return taken[1]

    def ping(self):
        """A round trip on this link: whatever it sent before has arrived."""
        token = secrets.randbits(64)
        self.send(wire.ping(PING, token))
        while token not in self.pongs:
            self.wait_message(PONG)

    def get_directory(self, epoch=0):
        """The directory in its bundle; empty when the other side does not hold it. Asked too soon, it is silent: asks again."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            self.send(wire.get_directory(epoch))
            try:
                answer = self.wait_message(DIRECTORY, 2)
            except Silence:
                continue
            if int.from_bytes(answer[1:5], "big") == epoch:
                return answer[5:]
        raise Silence("no directory")


# ---- replies, mailbox.md ----

class Answer:
    """A reply of a replica, taken apart."""

    def __init__(self, body):
        reader = Reader(body)
        self.operation = reader.up_to(1, wire.POLICY, wire.STORE)
        self.status = STATUS[reader.up_to(1, len(STATUS) - 1)]
        self.epoch, self.clock_ms = reader.number(4), reader.number(8)
        self.stamp_bits = reader.number(1) if self.status == "stamp" else None
        if self.status == "ok" and self.operation == wire.STORE:
            self.read_receipts(reader)
        elif self.status == "ok" and self.operation in (wire.FETCH, wire.SUBSCRIBE):
            self.read_item(reader)
        reader.finish()

    def read_receipts(self, reader):
        self.set_epoch = reader.number(4)
        self.set = [reader.bytes(32) for _ in range(reader.up_to(1, 3, 1))]
        count = reader.up_to(1, len(self.set))
        self.receipts = [(reader.up_to(1, len(self.set) - 1), reader.number(1), reader.bytes(64)) for _ in range(count)]

    def read_item(self, reader):
        self.cursor, self.expiry_ms = reader.number(8), reader.number(8)
        self.waiting, self.surbs_left = reader.number(4), reader.number(1)
        self.item = reader.bytes(wire.ITEM) if reader.up_to(1, 1) else None


def valid_receipts(genesis, directory, answer, mailbox, item, expiry_ms):
    """How many receipts count; "Valid receipts" of directory.md. The directory is that of the set's epoch."""
    assert directory.epoch == answer.set_epoch
    ranks = directory.ranks(mailbox)
    if len(set(answer.set)) != len(answer.set) or not set(answer.set) <= set(ranks):
        return 0
    counted = set()
    hashed = wire.item_hash(genesis.network, mailbox, expiry_ms, item)
    for index, rank, signature in answer.receipts:
        relay = answer.set[index]
        inner = wire.H("sotto receipt inner 1", mailbox, hashed, wire.u64(expiry_ms), wire.u8(rank))
        signed = genesis.network + wire.u32(answer.set_epoch) + item[:32] + wire.counted(answer.set) + inner
        if ranks.index(relay) == rank and ed25519.verify(relay, b"sotto receipt 1\0" + signed, signature):
            counted.add(relay)
    return len(counted)


class Mailbox:
    """An owner's key. Draws until `avoid` (the owner's entry) is no home of it."""

    def __init__(self, directory=None, avoid=None):
        while True:
            self.seed = secrets.token_bytes(32)
            self.id = ed25519.public_of(self.seed)
            if directory is None or avoid not in directory.homes(self.id):
                return


class Pending:
    """A reply block that is out: what it takes to read its reply, and what it was sent for."""

    def __init__(self, seed, seeds, request):
        self.seed, self.seeds, self.request = seed, seeds, request


class Stranger:
    """A client: one entry, one registered handle, requests by SURBs."""

    def __init__(self, genesis_text, entry=None):
        self.genesis = Genesis(genesis_text)
        self.directories, self.pending, self.answers = {}, {}, []
        self.handle, self.link = secrets.token_bytes(16), None
        self.follow()
        self.enter(entry or secrets.choice(self.directory.hops()))

    # -- directory --

    @property
    def directory(self):
        """The directory in force, fetched when the epoch has turned."""
        if self.genesis.epoch_at(now_ms()) not in self.directories:
            self.follow()
        return self.directories[max(e for e in self.directories if e <= self.genesis.epoch_at(now_ms()))]

    def follow(self):
        """Gets the directory of the current epoch: from the entry, or as a newcomer from a seed."""
        if self.link:
            self.take_directories(self.link)
            return
        link = Link(*self.genesis.seeds[0], self.genesis.network)
        self.take_directories(link)
        link.close()

    def directory_of(self, epoch):
        if epoch not in self.directories:
            self.directories[epoch] = Directory(self.genesis, self.link.get_directory(epoch))
        return self.directories[epoch]

    def take_directories(self, link):
        deadline = time.monotonic() + PATIENCE_S
        while self.genesis.epoch_at(now_ms()) not in self.directories:
            if time.monotonic() > deadline:
                raise Silence("no directory of this epoch")
            data = link.get_directory(self.genesis.epoch_at(now_ms()))
            if data:
                directory = Directory(self.genesis, data)
                self.directories[directory.epoch] = directory
            else:
                time.sleep(1)  # an outsider gets one a second

    # -- the entry --

    def enter(self, identity):
        relay = self.directory.by_id[identity]
        self.link = Link(identity, relay["host"], relay["port"], self.genesis.network, self.directory.epoch)
        self.link.send(wire.handles([self.handle]))

    def close(self):
        self.link.close()

    # -- routes: entry, middle, replica; back over two others to the entry --

    def middles(self, replica, count):
        fit = [r for r in self.directory.hops() if r not in (replica, self.link.identity)]
        return secrets.SystemRandom().sample(fit, count)

    def route_to(self, replica):
        return [self.directory.hop(r) for r in (self.link.identity, *self.middles(replica, 1), replica)]

    def packet_to(self, replica, body):
        return sphinx.make_packet(self.route_to(replica), body, *self.randomness())

    def surb(self, replica, request):
        hops = [self.directory.hop(r) for r in (*self.middles(replica, 2), self.link.identity)]
        surb_id, seed = secrets.token_bytes(16), secrets.token_bytes(32)
        surb, seeds = sphinx.make_surb(hops, self.handle, surb_id, seed, *self.randomness())
        self.pending[surb_id] = Pending(seed, seeds, request)
        return surb

    @staticmethod
    def randomness():
        return secrets.token_bytes(32), secrets.token_bytes(16), secrets.token_bytes(256)

    # -- asking --

    def send_to(self, replica, body):
        self.link.send_packet(self.packet_to(replica, body))

    def take_reply(self, surb_id, payload):
        pending = self.pending.pop(surb_id, None)
        if pending is None:
            raise Malformed("a reply to nothing, or a second one")
        self.answers.append((pending.request, Answer(sphinx.open_reply(payload, pending.seed, pending.seeds))))

    def next_answer(self, request, patience_s=PATIENCE_S):
        """The next answer to a request (any object that its SURBs were made for)."""
        deadline = time.monotonic() + patience_s
        while True:
            for i, (asked, answer) in enumerate(self.answers):
                if asked is request:
                    del self.answers[i]
                    return answer
            taken = self.link.replies.pop(0) if self.link.replies else self.link.next(deadline)
            if taken[0] == "reply":
                self.take_reply(*taken[1:])

    def store_operation(self, replica, mailbox, item, expiry_ms, token, request, epoch=None, stamp=0):
        epoch = self.directory.epoch if epoch is None else epoch
        return wire.store(epoch, mailbox, expiry_ms, token, stamp, item, self.surb(replica, request))

    def store(self, mailbox, item, expiry_ms, token, replica=None, epoch=None):
        """One attempt; the answer."""
        request = object()
        replica = replica or next(r for r in self.directory.homes(mailbox) if r != self.link.identity)
        self.send_to(replica, self.store_operation(replica, mailbox, item, expiry_ms, token, request, epoch))
        return self.next_answer(request)

    def owners(self, kind, box, arguments, replica, surbs=1, request=None, epoch=None, time_ms=None, seed=None):
        """An owner's request, signed; the last three are for those that are meant to fail."""
        return wire.owners(kind, self.directory.epoch if epoch is None else epoch, box.id,
                           now_ms() if time_ms is None else time_ms, arguments,
                           [self.surb(replica, request) for _ in range(surbs)], self.genesis.network, replica,
                           box.seed if seed is None else seed)

    def ask(self, kind, box, arguments, replica=None, **changed):
        request = object()
        replica = replica or self.directory.homes(box.id)[0]
        self.send_to(replica, self.owners(kind, box, arguments, replica, request=request, **changed))
        return self.next_answer(request)

    def stamp_of(self, box):
        """The mailbox's proof of work; small numbers will do where tests run."""
        bits = self.directory.stamp_bits
        return next(x for x in range(2**32) if wire.mailbox_stamp_zeros(self.genesis.network, box.id, x) >= bits)

    def policy(self, box, version, tokens, **changed):
        """tokens: {token: quota}"""
        entries = [(wire.token_hash(token), quota) for token, quota in tokens.items()]
        return self.ask(wire.POLICY, box, wire.policy_arguments(self.stamp_of(box), version, entries), **changed)

    def fetch(self, box, cursor=0, **changed):
        return self.ask(wire.FETCH, box, wire.fetch_arguments(cursor), **changed)

    def subscribe(self, box, cursor=0, wait_ms=0, replica=None, surbs=2):
        """Deposits SURBs; the request for next_answer."""
        request = object()
        replica = replica or self.directory.homes(box.id)[0]
        arguments = wire.subscribe_arguments(cursor, wait_ms)
        self.send_to(replica, self.owners(wire.SUBSCRIBE, box, arguments, replica, surbs, request))
        return request

    def delete(self, box, entries, **changed):
        """entries: (item hash, the secret that opens its commitment)"""
        return self.ask(wire.DELETE, box, wire.delete_arguments(self.stamp_of(box), entries), **changed)


def new_item(text=b""):
    """An item of whatever bytes, and the secret of its commitment."""
    secret = os.urandom(32)
    return wire.commitment(secret) + text + os.urandom(wire.ITEM - 32 - len(text)), secret
