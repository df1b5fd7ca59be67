"""One key on two machines: a second process with the key of a validator signs what the first one does not. Its power is
taken, and the three others go on."""
import os
import re
import shutil
import subprocess
import unittest

import cases
from network import Network, SOTTO, free_base_port, wait_until
from test_ledger import Ledger, VALIDATORS

SOTTOD = os.path.join(os.path.dirname(SOTTO), "sottod")
HONEST = [f"validator{i + 1}" for i in range(VALIDATORS - 1)]


class Twin:
    """Of validator4, with a folder, ports and an identity of its own."""

    def __init__(self, net):
        original, self.folder = os.path.join(net.dir, "validator4"), os.path.join(net.dir, "twin")
        os.makedirs(os.path.join(self.folder, "data"))
        for name in ("validator.key", "api.token"):
            shutil.copy(os.path.join(original, name), self.folder)
        with open(os.path.join(self.folder, "identity.key"), "w", encoding="ascii") as file:
            file.write(os.urandom(32).hex() + "\n")
        os.chmod(os.path.join(self.folder, "identity.key"), 0o600)
        ports = iter(range(free_base_port(), 65536))
        with open(os.path.join(original, "config.yaml"), encoding="ascii") as file:
            config = re.sub(r"127\.0\.0\.1:\d+", lambda _: f"127.0.0.1:{next(ports)}", file.read())
        with open(os.path.join(self.folder, "config.yaml"), "w", encoding="ascii") as file:
            file.write(config)

    def __enter__(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.node = subprocess.Popen([SOTTOD, "--config", os.path.join(self.folder, "config.yaml")], stdout=log, stderr=log)

    def __exit__(self, *_):
        self.node.terminate()
        self.node.wait()


class OneKeyOnTwoMachines(unittest.TestCase):
    def test_its_power_is_taken_and_the_others_go_on(self):
        with Network(relays=2, users=0, validators=VALIDATORS, epoch=3600, options=["--block-time", "200ms"]) as net:
            ledger = Ledger(net)

            def validators(name):
                status, answer = ledger.call(name, "GET", "/v1/validators")
                return {validator["key"] for validator in answer["validators"]} if status == 200 else None

            before = validators("validator1")
            self.assertEqual(len(before), VALIDATORS)
            with Twin(net):
                wait_until(lambda: all(len(validators(name) or before) == VALIDATORS - 1 for name in HONEST),
                           "the validator that is two to lose its power")
                for name in HONEST:
                    ledger.wait_blocks(name, 5)
            sets = {frozenset(validators(name)) for name in HONEST}
            self.assertEqual(len(sets), 1)
            self.assertLess(sets.pop(), before)
            # It was the one whose key two had: the three others still decide.
            for name in HONEST:
                self.assertRegex(net.metrics(name), r"(?m)^sotto_ledger_validators 3$")


if __name__ == "__main__":
    cases.main()
