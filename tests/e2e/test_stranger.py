"""A client of another make, written from docs/spec alone (stranger.py), against relays that run: what it is served, what it is
refused."""
import os
import re
import time
import unittest

import cases
from network import Network, PATIENCE_S, wait_until
from stranger import (DIRECTORY, PACKET, Bundle, Closed, Directory, Link, Mailbox, Malformed, Stranger, new_item, now_ms, seal,
                      valid_receipts, wire)

EPOCH_S = 30
STRANGER_QUOTA = 2
MINUTE_MS = 60_000
TOKEN = bytes(range(32))
NO_TOKEN = bytes(32)


class AStranger(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.net = Network(relays=5, users=1, epoch=EPOCH_S, options=["--set", f"stranger_quota: {STRANGER_QUOTA}"])
        cls.net.up()
        cls.addClassCleanup(cls.net.__exit__, None, None, None)
        cls.text = cls.net.genesis()

    def client(self):
        client = Stranger(self.text)
        self.addCleanup(client.close)
        return client

    def owner(self, quota=8):
        """A client and a mailbox of its own, with a policy."""
        client = self.client()
        box = Mailbox(client.directory, client.link.identity)
        self.assertEqual(client.policy(box, 1, {TOKEN: quota}).status, "ok")
        return client, box

    def link(self, client, **changed):
        relay = client.directory.relays[0]
        link = Link(relay["id"], relay["host"], relay["port"], **{"network": client.genesis.network, **changed})
        self.addCleanup(link.close)
        return link

    def stored(self, client, box, replica=None):
        """Stores an item at the mailbox's first home with receipts that hold: the item, its hash, its secret."""
        item, secret = new_item()
        expiry_ms = now_ms() + MINUTE_MS
        answer = client.store(box.id, item, expiry_ms, TOKEN, replica)
        self.assertEqual(answer.status, "ok")
        directory = client.directory_of(answer.set_epoch)
        counted = valid_receipts(client.genesis, directory, answer, box.id, item, expiry_ms)
        self.assertGreaterEqual(counted, client.genesis.quorum)
        return item, wire.item_hash(client.genesis.network, box.id, expiry_ms, item), secret

    def assert_closes(self, link):
        deadline = time.monotonic() + PATIENCE_S
        with self.assertRaises(Closed):
            while True:
                link.read_cell(deadline)

    def replays_rejected(self):
        counters = [re.search(r"^sotto_relay_replays_rejected_total (\d+)", self.net.metrics(f"relay{i}"), re.M)
                    for i in range(1, 6)]
        return sum(int(counter.group(1)) for counter in counters)

    # ---- served ----

    def test_every_relay_serves_the_same_directory_and_its_proof_leads_to_genesis(self):
        client = self.client()
        epoch = client.directory.epoch
        bundles = []
        for relay in client.directory.relays:
            link = Link(relay["id"], relay["host"], relay["port"], client.genesis.network)
            bundles.append(link.get_directory(epoch))
            link.close()
        self.assertEqual({Directory(client.genesis, bundle).epoch for bundle in bundles}, {epoch})
        self.assertEqual(len({Bundle(client.genesis, bundle).directory for bundle in bundles}), 1)

    def test_a_directory_with_a_flipped_bit_anywhere_is_no_directory(self):
        client = self.client()
        bundle = client.link.get_directory(client.directory.epoch)
        for at in range(0, len(bundle), 37):
            with self.assertRaises((Malformed, UnicodeDecodeError), msg=str(at)):
                Directory(client.genesis, bundle[:at] + bytes([bundle[at] ^ 1]) + bundle[at + 1 :])

    def test_an_epoch_that_nobody_has_is_answered_with_nothing(self):
        client = self.client()
        self.assertEqual(client.link.get_directory(client.directory.epoch + 1000), b"")

    def test_an_item_is_stored_fetched_pushed_deleted_and_gone(self):
        client, box = self.owner()
        home = client.directory.homes(box.id)[0]
        first = self.stored(client, box)
        answer = client.fetch(box, replica=home)
        self.assertEqual((answer.status, answer.item, answer.waiting), ("ok", first[0], 0))

        push = client.subscribe(box, answer.cursor, replica=home)
        second = self.stored(client, box)
        pushed = client.next_answer(push)
        self.assertEqual((pushed.status, pushed.item, pushed.surbs_left), ("ok", second[0], 1))
        self.assertGreater(pushed.cursor, answer.cursor)

        self.assertEqual(client.delete(box, [first[1:], second[1:]], replica=home).status, "ok")
        for replica in client.directory.homes(box.id):
            answer = client.fetch(box, replica=replica)
            self.assertEqual((answer.status, answer.item), ("ok", None))

    def test_an_item_is_held_by_every_home_with_its_own_cursor(self):
        client, box = self.owner()
        item, _, _ = self.stored(client, box)
        for replica in client.directory.homes(box.id):
            held = wait_until(lambda: client.fetch(box, replica=replica).item, "the item at every home")
            self.assertEqual(held, item)

    def test_a_deleted_item_that_is_stored_again_is_acknowledged_and_stays_gone(self):
        client, box = self.owner()
        item, secret = new_item()
        expiry_ms = now_ms() + MINUTE_MS
        self.assertEqual(client.store(box.id, item, expiry_ms, TOKEN).status, "ok")
        hashed = wire.item_hash(client.genesis.network, box.id, expiry_ms, item)
        self.assertEqual(client.delete(box, [(hashed, secret)]).status, "ok")
        again = client.store(box.id, item, expiry_ms, TOKEN)
        directory = client.directory_of(again.set_epoch)
        self.assertGreaterEqual(valid_receipts(client.genesis, directory, again, box.id, item, expiry_ms), 2)
        self.assertIsNone(client.fetch(box).item)

    def test_a_wait_without_an_item_ends_with_a_reply_without_one(self):
        client, box = self.owner()
        answer = client.next_answer(client.subscribe(box, wait_ms=200, surbs=1))
        self.assertEqual((answer.status, answer.item, answer.surbs_left), ("ok", None, 0))

    def test_one_fetch_brings_as_many_items_as_it_has_reply_blocks(self):
        client, box = self.owner()
        items = {self.stored(client, box)[0] for _ in range(2)}
        home, request = client.directory.homes(box.id)[1], object()
        wait_until(lambda: client.fetch(box, replica=home).waiting == 1, "both items")
        arguments = wire.fetch_arguments(0)
        client.send_to(home, client.owners(wire.FETCH, box, arguments, home, surbs=2, request=request))
        answers = [client.next_answer(request) for _ in range(2)]
        self.assertEqual({answer.item for answer in answers}, items)
        self.assertEqual(sorted(answer.surbs_left for answer in answers), [0, 1])

    # ---- a conversation with a user ----

    def send_letter(self, client, account, box, kind, text, recipient, mailbox, token, sequence=1):
        """Seals and stores one; its message id."""
        message_id, expiry_ms = os.urandom(16), now_ms() + 60 * MINUTE_MS
        counters = (now_ms(), sequence, 1) if kind == seal.TEXT else (0, 0, 0)
        plain = seal.letter(account, kind, message_id, counters, os.urandom(32), (box.id, TOKEN, 1), text)
        item = seal.seal_item(account, os.urandom(32), recipient, mailbox, expiry_ms, plain)
        self.assertEqual(client.store(mailbox, item, expiry_ms, token).status, "ok")
        return message_id

    def next_letter(self, client, account, box, push, kind):
        """The next pushed letter of a kind, opened and verified."""
        while True:
            answer = client.next_answer(push)
            letter = seal.Letter(account, box.id, answer.expiry_ms, answer.item)
            if letter.kind == kind:
                return letter

    def test_texts_go_both_ways_with_a_user_and_are_acknowledged(self):
        client, box = self.owner()
        account = seal.Account(os.urandom(32), client.genesis.network)
        link = self.net.call("user1", "GET", "/v1/id")[1]["link"]
        self.assertEqual(self.net.call("user1", "POST", "/v1/contacts", {"name": "stranger", "link": account.link()})[0], 204)
        identity, static, requests = seal.read_link(link)
        push = client.subscribe(box, surbs=4)

        sent = self.send_letter(client, account, box, seal.TEXT, "grüße".encode(), static, requests, NO_TOKEN)
        acknowledgement = self.next_letter(client, account, box, push, seal.ACK)
        self.assertEqual((acknowledgement.identity, acknowledgement.sender), (identity, static))
        self.assertEqual(acknowledgement.text, sent)
        wait_until(lambda: "grüße" in self.net.texts("user1"), "the text at the user")

        message = self.net.queue("well met", sender="user1", to="stranger")
        letter = self.next_letter(client, account, box, push, seal.TEXT)
        self.assertEqual((letter.sequence, letter.text), (1, b"well met"))
        mailbox, token, _ = letter.reply
        self.send_letter(client, account, box, seal.ACK, letter.id, static, mailbox, token)
        self.net.wait_state("user1", message, "acknowledged")

    # ---- refused ----

    def test_a_request_signed_by_another_is_refused(self):
        client, box = self.owner()
        self.assertEqual(client.fetch(box, seed=os.urandom(32)).status, "refused")

    def test_a_request_signed_for_another_replica_is_refused(self):
        client, box = self.owner()
        here, elsewhere = client.directory.homes(box.id)[:2]
        request = object()
        client.send_to(here, client.owners(wire.FETCH, box, wire.fetch_arguments(0), elsewhere, request=request))
        self.assertEqual(client.next_answer(request).status, "refused")

    def test_a_stale_time_is_told_with_the_relays_clock(self):
        client, box = self.owner()
        for minutes in (-6, 6):
            answer = client.fetch(box, time_ms=now_ms() + minutes * MINUTE_MS)
            self.assertEqual(answer.status, "bad time")
            self.assertLess(abs(answer.clock_ms - now_ms()), MINUTE_MS)

    def test_a_wrong_epoch_is_told_with_the_current_one(self):
        client, box = self.owner()
        item, _ = new_item()
        for epoch in (0, client.directory.epoch + 5):
            for answer in (client.fetch(box, epoch=epoch), client.store(box.id, item, now_ms() + MINUTE_MS, TOKEN, epoch=epoch)):
                self.assertEqual(answer.status, "wrong epoch")
                self.assertIn(answer.epoch, (client.directory.epoch - 1, client.directory.epoch))

    def test_a_token_that_the_policy_does_not_list_is_refused(self):
        client, box = self.owner()
        item, _ = new_item()
        self.assertEqual(client.store(box.id, item, now_ms() + MINUTE_MS, os.urandom(32)).status, "refused")
        self.assertEqual(client.policy(box, 2, {TOKEN: 0}).status, "ok")
        self.assertEqual(client.store(box.id, item, now_ms() + MINUTE_MS, TOKEN).status, "refused")

    def test_an_older_policy_is_refused_and_the_same_version_changes_nothing(self):
        client, box = self.owner()
        self.assertEqual(client.policy(box, 3, {TOKEN: 1}).status, "ok")
        self.assertEqual(client.policy(box, 2, {TOKEN: 0}).status, "refused")
        self.assertEqual(client.policy(box, 3, {TOKEN: 0}).status, "ok")
        self.stored(client, box)

    def test_a_contacts_quota_is_full_when_its_items_wait(self):
        client, box = self.owner(quota=1)
        _, hashed, secret = self.stored(client, box)
        item, _ = new_item()
        expiry_ms = now_ms() + MINUTE_MS
        self.assertEqual(client.store(box.id, item, expiry_ms, TOKEN).status, "mailbox full")
        self.assertEqual(client.delete(box, [(hashed, secret)]).status, "ok")
        self.assertEqual(client.store(box.id, item, expiry_ms, TOKEN).status, "ok")

    def test_strangers_have_a_quota_of_their_own(self):
        client, box = self.owner(quota=1)
        replica = client.directory.homes(box.id)[0]
        for _ in range(STRANGER_QUOTA):
            item, _ = new_item()
            self.assertEqual(client.store(box.id, item, now_ms() + MINUTE_MS, NO_TOKEN, replica).status, "ok")
        item, _ = new_item()
        self.assertEqual(client.store(box.id, item, now_ms() + MINUTE_MS, NO_TOKEN, replica).status, "mailbox full")
        self.stored(client, box)

    def test_an_item_beyond_the_longest_lifetime_or_expired_is_refused(self):
        client, box = self.owner()
        item, _ = new_item()
        for expiry_ms in (now_ms() + client.genesis.item_lifetime_ms + 6 * MINUTE_MS, now_ms() - 6 * MINUTE_MS):
            self.assertEqual(client.store(box.id, item, expiry_ms, TOKEN).status, "expiry")

    def test_a_replayed_owners_request_is_executed_once(self):
        client, box = self.owner()
        home, request = client.directory.homes(box.id)[0], object()
        self.stored(client, box)
        operation = client.owners(wire.FETCH, box, wire.fetch_arguments(0), home, surbs=3, request=request)
        client.send_to(home, operation)
        self.assertIsNotNone(client.next_answer(request).item)
        # The same operation in another packet, then one whose answer shows that the first has been looked at.
        client.send_to(home, operation)
        self.assertEqual(client.fetch(box, replica=home).status, "ok")
        items = [answer.item for asked, answer in client.answers if asked is request and answer.status == "ok"]
        self.assertEqual(items, [])

    def test_a_replayed_packet_has_no_second_effect(self):
        client, box = self.owner()
        home, request = client.directory.homes(box.id)[0], object()
        self.stored(client, box)
        before = self.replays_rejected()
        packet = client.packet_to(home, client.owners(wire.FETCH, box, wire.fetch_arguments(0), home, 2, request))
        for _ in range(3):
            client.link.send_packet(packet)
        self.assertIsNotNone(client.next_answer(request).item)
        wait_until(lambda: self.replays_rejected() == before + 2, "two replays counted")
        self.assertEqual(client.fetch(box, replica=home).status, "ok")
        self.assertNotIn(request, [asked for asked, _ in client.answers])

    def test_a_packet_with_a_flipped_bit_is_dropped_silently_and_the_link_stays(self):
        client, box = self.owner()
        home, request = client.directory.homes(box.id)[0], object()
        packet = client.packet_to(home, client.owners(wire.FETCH, box, wire.fetch_arguments(0), home, request=request))
        for at in (2, 100, 360, 400):
            client.link.send_packet(packet[:at] + bytes([packet[at] ^ 1]) + packet[at + 1 :])
        self.assertEqual(client.fetch(box, replica=home).status, "ok")
        self.assertNotIn(request, [asked for asked, _ in client.answers])

    def test_a_hello_of_another_network_or_version_closes_the_link(self):
        client = self.client()
        self.assert_closes(self.link(client, network=os.urandom(32)))
        self.assert_closes(self.link(client, version=2))

    def test_a_link_that_does_not_name_the_protocol_is_cut(self):
        self.assert_closes(self.link(self.client(), alpn=None))

    def test_another_relay_than_the_one_meant_is_not_talked_to(self):
        client = self.client()
        here, elsewhere = client.directory.relays[:2]
        with self.assertRaises(Malformed):
            Link(elsewhere["id"], here["host"], here["port"], client.genesis.network)

    def test_cells_and_messages_beyond_the_tables_close_the_link(self):
        client = self.client()
        for cell in (wire.cell(9, 0, b""), wire.cell(PACKET, 0, bytes(2417)), wire.cell(3, 2, b"\x02" + bytes(8)),
                     wire.cell(3, 3, b"\x02" + bytes(8))[:-1] + b"\1", wire.cell(0, 0, b"")[:4] + b"\0\1" + bytes(2418)):
            link = self.link(client)
            link.send_cell(cell)
            self.assert_closes(link)
        link = self.link(client)
        link.send(bytes([DIRECTORY]) + bytes(8192))
        self.assert_closes(link)


if __name__ == "__main__":
    cases.main()
