"""All that crosses the links of a real network, recorded and read under TLS: no bytes tell which cell out of a relay is which
cell into it, and none comes back on a link of the ledger. The same recording of nodes that were built without the payload layer must show it."""
import collections
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

import cases
from network import PATIENCE_S, SOTTO, Network, sotto
from proxy import ProxyServer
from tls_reader import Unreadable, client_random, offered_protocols, read_connection, read_keylog

SOTTOD = os.path.join(os.path.dirname(SOTTO), "sottod")
LINKABLE_SOTTOD = os.environ.get("LINKABLE_SOTTOD", "build/debug/tests/e2e/sottod-linkable")
CELL, CELL_HEADER = 2424, 6
RECORD = CELL + 1 + 16  # with the type of its content and the tag (RFC 8446 §5.2)
PACKET, REPLY, PART = 1, 2, 3
CELLS, LEDGER = b"sotto/1", b"sotto-ledger/1"  # the kinds of links
VERSION_AND_EPOCH = 2
RUN = 8
LONGEST_TEXT = 1024
ITEMS, HOPS = 6, 3  # three texts and their acknowledgements

# What was recorded: connections, who listens at a port, what each node's key log says.
Recording = collections.namedtuple("Recording", "connections names keylogs")
# What one node sent another on one connection of a kind: [(length of a TLS record's body, its content)].
Flow = collections.namedtuple("Flow", "kind source target records")


def record(program=SOTTO, profile="fast"):
    """Runs a network of that sotto's nodes, from its first connection to its last; the shortest and the longest text."""
    proxy = ProxyServer()
    with Network(relays=5, profile=profile, program=program,
                 options=["--keylog", "--set", f"proxy: {proxy.url}"]) as net:
        net.send("1")
        net.send("m" * LONGEST_TEXT)
        net.send("back", sender="user2", to="user1")
        nodes = net.status()["nodes"]
        sotto("testnet", "down", "--dir", net.dir)
        keylogs = {node["name"]: read_keylog(os.path.join(net.dir, node["name"], "keylog")) for node in nodes}
    names = {int(node["link"].rpartition(":")[2]): node["name"] for node in nodes if "link" in node}
    return Recording(proxy.finish(), names, keylogs)


def read(recording):
    """Both ways of every connection, their ends named by the port and by the key logs that know it."""
    flows, missed = [], {random for sessions in recording.keylogs.values() for random in sessions}
    for connection in recording.connections:
        random, server = client_random(connection.to_server), recording.names[connection.port]
        if random not in missed:
            continue  # ended before there were keys
        missed.remove(random)
        ends = {name: sessions[random] for name, sessions in recording.keylogs.items() if random in sessions}
        (client,) = ends.keys() - {server}
        to_server, to_client = read_connection(connection.to_server, connection.to_client, ends[client])
        (kind,) = offered_protocols(connection.to_server)
        flows += [Flow(kind, client, server, to_server), Flow(kind, server, client, to_client)]
    assert not missed, f"{len(missed)} links that the proxy has not seen"
    return flows


def of_kind(flows, kind):
    return [flow for flow in flows if flow.kind == kind]


def cells(flows, kinds):
    return [content for flow in of_kind(flows, CELLS) for _, content in flow.records if content[0] in kinds]


def hidden_part(cell):
    """The bytes of a cell that must not be seen again: a packet without version and epoch, a reply, a part of a message."""
    skipped = VERSION_AND_EPOCH if cell[0] == PACKET else 0
    return cell[CELL_HEADER + skipped : CELL_HEADER + int.from_bytes(cell[2:4], "big")]


def runs(parts):
    """All 8 bytes in a row within these, at whatever offset."""
    found = set()
    for part in parts:
        for at in range(min(RUN, len(part))):
            found.update(struct.unpack_from(f"<{(len(part) - at) // RUN}Q", part, at))
    return found


def onion_runs(flows):
    return runs(map(hidden_part, cells(flows, (PACKET, REPLY))))


def other_runs(flows):
    """Those of messages, and of what the ledger's links carry."""
    frames = [content for flow in of_kind(flows, LEDGER) for _, content in flow.records]
    return runs([*map(hidden_part, cells(flows, (PART,))), *frames])


def common_runs(flows, relay):
    """How many runs came into a relay and went out of it; not from message to message, where a directory is passed on."""
    came, went = [flow for flow in flows if flow.target == relay], [flow for flow in flows if flow.source == relay]
    onion_in, onion_out = onion_runs(came), onion_runs(went)
    return len((onion_in | other_runs(came)) & onion_out | onion_in & other_runs(went))


def linked(flows):
    return {name: common_runs(flows, name) for name in {flow.target for flow in flows} if name.startswith("relay")}


class ARecordedNetwork(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.recordings = {profile: record(profile=profile) for profile in ("fast", "balanced")}
        cls.flows = {profile: read(recording) for profile, recording in cls.recordings.items()}

    def test_each_cell_is_a_tls_record_of_its_own_and_all_have_one_size(self):
        for profile, flows in self.flows.items():
            with self.subTest(profile):
                sizes = collections.Counter(
                    (size, len(content)) for flow in of_kind(flows, CELLS) for size, content in flow.records)
                self.assertEqual(set(sizes), {(RECORD, CELL)}, sizes)

    def test_every_item_was_seen_on_its_way(self):
        for profile, flows in self.flows.items():
            with self.subTest(profile):
                self.assertGreaterEqual(len(cells(flows, (PACKET,))), ITEMS * HOPS)
                self.assertGreaterEqual(len(cells(flows, (REPLY,))), ITEMS)

    def test_every_relays_link_of_the_ledger_was_recorded(self):
        for profile, flows in self.flows.items():
            with self.subTest(profile):
                clients = {flow.source for flow in of_kind(flows, LEDGER) if flow.target == "validator1" and flow.records}
                self.assertEqual(clients, {f"relay{i}" for i in range(1, 6)})

    def test_a_cell_into_a_relay_and_a_cell_out_of_it_have_nothing_in_common(self):
        for profile, flows in self.flows.items():
            with self.subTest(profile):
                self.assertEqual(linked(flows), {f"relay{i}": 0 for i in range(1, 6)})

    def test_without_the_payload_layer_every_relay_on_the_way_shows_links(self):
        with tempfile.TemporaryDirectory(prefix="sotto-linkable-") as folder:
            program = shutil.copy2(SOTTO, folder)
            os.symlink(os.path.abspath(LINKABLE_SOTTOD), os.path.join(folder, "sottod"))
            flows = read(record(program))
        found = linked(flows)
        self.assertGreaterEqual(sum(count > 0 for count in found.values()), HOPS, found)

    def test_what_is_read_with_another_links_secrets_is_no_cell(self):
        sessions = collections.ChainMap(*self.recordings["fast"].keylogs.values())
        known = [one for one in self.recordings["fast"].connections if client_random(one.to_server) in sessions]
        first, second = known[:2]
        with self.assertRaises(Unreadable):
            read_connection(first.to_server, first.to_client, sessions[client_random(second.to_server)])


class OutsideTestNetworks(unittest.TestCase):
    def test_a_node_with_a_key_log_does_not_start(self):
        with Network(relays=3, users=0, options=["--keylog"]) as net:
            with open(os.path.join(net.dir, "genesis.sotto"), encoding="ascii") as file:
                genesis = file.read()
            self.assertIn("\ntestnet true\n", genesis)
            path = os.path.join(net.dir, "serious.sotto")
            with open(path, "w", encoding="ascii") as file:
                file.write(genesis.replace("\ntestnet true\n", "\ntestnet false\n"))
            refused = subprocess.run([SOTTOD, "--config", os.path.join(net.dir, "relay1", "config.yaml"), "--set",
                                      f"genesis={path}"], capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertIn("tls.keylog: only where genesis says testnet", refused.stderr)


if __name__ == "__main__":
    cases.main()
