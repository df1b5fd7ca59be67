"""Relays that move to another address in the middle of a long epoch, whose directory still has the old one."""
import os
import re
import time
import unittest

import cases
from network import Network, wait_until

EPOCH_S = 600


def configure(net, name, key, value):
    """Sets a line of a node's configuration."""
    path = os.path.join(net.dir, name, "config.yaml")
    with open(path, encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith(key + ":")]
    with open(path, "w", encoding="utf-8") as file:
        file.writelines([f"{key}: {value}\n"] + lines)


def metric(net, name, wanted):
    found = re.search(rf"^sotto_{wanted} (\d+)$", net.metrics(name), re.MULTILINE)
    return int(found.group(1))


class MovedRelays(unittest.TestCase):
    def moved(self, net, relays, key, value_of):
        for i in range(1, relays + 1):
            name = f"relay{i}"
            net.order("kill", name)
            configure(net, name, key, value_of(i))
            net.order("start", name, "--wait")

    def test_a_network_whose_relays_have_all_moved_goes_on_before_the_next_epoch(self):
        with Network(relays=3, validators=1, epoch=EPOCH_S) as net:
            net.send("before")
            epoch = metric(net, "relay1", "directory_epoch")
            moved_port = net.base_port + 250
            self.moved(net, 3, "listen", lambda i: f"[127.0.0.1:{moved_port + i}]")
            began = time.monotonic()
            net.send("after")
            print(f"delivered {time.monotonic() - began:.1f} s after the last relay was back", flush=True)
            for name in ("relay1", "relay2", "relay3", "validator1"):
                wait_until(lambda name=name: metric(net, name, "address_records") == 3, f"{name} to know of all")
            # Who comes now has a directory in which nobody is where it says.
            net.order("kill", "user2")
            net.order("start", "user2", "--wait")
            net.send("to one who was away")
            self.assertEqual(net.texts("user2"), ["before", "after", "to one who was away"])
            self.assertEqual(metric(net, "relay1", "directory_epoch"), epoch)

    def test_an_address_that_is_somebody_elses_makes_no_relay_unreachable(self):
        with Network(relays=3, validators=1, epoch=EPOCH_S) as net:
            net.send("before")
            ports = [net.link_address(f"relay{i}")[1] for i in (1, 2, 3)]
            self.moved(net, 3, "advertise", lambda i: f"127.0.0.1:{ports[i % 3]}")
            for name in ("relay1", "relay2", "relay3", "validator1"):
                wait_until(lambda name=name: metric(net, name, "address_records") == 3, f"{name} to know of all")
            net.send("after")
            self.assertEqual(net.texts("user2"), ["before", "after"])


if __name__ == "__main__":
    cases.main()
