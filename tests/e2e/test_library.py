"""libsotto as a program of another language meets it: two accounts in one process, by ctypes."""
import ctypes
import os
import shutil
import tempfile
import unittest

import cases
from network import Network, free_base_port, sotto, wait_until

LIBRARY = os.environ.get("LIBSOTTO", "build/debug/libsotto.so")
PASSPHRASE = b"correct horse battery staple"
MESSAGE, ENDED = 0, 3
STORED, ACKNOWLEDGED, RECEIVED = 1, 2, 4
OK, E_NOT_FOUND, E_PASSPHRASE, E_LOCKED = 0, -2, -4, -5


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("dir", ctypes.c_char_p), ("passphrase", ctypes.c_char_p),
                ("proxy", ctypes.c_char_p)]


class Message(ctypes.Structure):
    _fields_ = [("id", ctypes.c_uint8 * 16), ("cursor", ctypes.c_uint64), ("contact", ctypes.c_char * 65),
                ("incoming", ctypes.c_int), ("state", ctypes.c_int), ("wall_ms", ctypes.c_uint64),
                ("text", ctypes.c_char_p), ("text_size", ctypes.c_size_t)]


class Event(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("request_number", ctypes.c_uint64), ("message", Message)]


def load():
    library = ctypes.CDLL(LIBRARY)
    library.sotto_next.restype = ctypes.POINTER(Event)
    library.sotto_version.restype = ctypes.c_char_p
    for name in ("sotto_ready", "sotto_fd", "sotto_link", "sotto_close"):
        getattr(library, name).argtypes = None
    return library


class Account:
    def __init__(self, library, net):
        self.library = library
        self.root = tempfile.mkdtemp(prefix="sotto-library-")
        self.dir = os.path.join(self.root, "account")
        passphrase = os.path.join(self.root, "passphrase")
        with open(passphrase, "wb") as file:
            file.write(PASSPHRASE)
        sotto("account", "create", "--genesis", os.path.join(net.dir, "genesis.sotto"), "--dir", self.dir,
              "--passphrase-file", passphrase, "--api-port", free_base_port())
        self.handle = ctypes.c_void_p()

    def open(self, passphrase=PASSPHRASE):
        why = ctypes.create_string_buffer(512)
        options = Options(ctypes.sizeof(Options), self.dir.encode(), passphrase, None)
        handle = ctypes.c_void_p()
        error = self.library.sotto_open(ctypes.byref(handle), ctypes.byref(options), why, len(why))
        if error == OK:
            self.handle = handle
        return error, why.value.decode()

    def link(self):
        link = ctypes.create_string_buffer(257)
        assert self.library.sotto_link(self.handle, link) == OK
        return link.value

    def close(self):
        self.library.sotto_close(self.handle)
        self.handle = ctypes.c_void_p()

    def wait_event(self, wanted):
        """The next event for which wanted(event) holds."""
        def look():
            event = self.library.sotto_next(self.handle, 1000)
            if not event:
                return False
            found = wanted(event.contents)
            self.library.sotto_event_free(event)
            return found
        return wait_until(look, "an event")

    def remove(self):
        if self.handle:
            self.close()
        shutil.rmtree(self.root, ignore_errors=True)


class TheLibrary(unittest.TestCase):
    def test_two_accounts_of_one_process_talk(self):
        library = load()
        self.assertTrue(library.sotto_version())
        with Network(relays=4, users=0) as net:
            alice, bob = Account(library, net), Account(library, net)
            try:
                self.assertEqual(alice.open(b"wrong")[0], E_PASSPHRASE)
                self.assertEqual(alice.open()[0], OK)
                self.assertEqual(alice.open()[0], E_LOCKED)
                self.assertEqual(bob.open()[0], OK)
                self.assertEqual(library.sotto_contact_add(alice.handle, b"bob", bob.link()), OK)
                self.assertEqual(library.sotto_contact_add(bob.handle, b"alice", alice.link()), OK)
                identity = (ctypes.c_uint8 * 16)()
                text = "grüße".encode()
                self.assertEqual(library.sotto_send(alice.handle, b"nobody", text, len(text), identity), E_NOT_FOUND)
                self.assertEqual(library.sotto_send(alice.handle, b"bob", text, len(text), identity), OK)
                self.assertTrue(bob.wait_event(lambda event: event.kind == MESSAGE and event.message.incoming and
                                               event.message.text == text))
                self.assertTrue(alice.wait_event(lambda event: event.kind == MESSAGE and
                                                 event.message.state == ACKNOWLEDGED))
                message = Message()
                self.assertEqual(library.sotto_message(alice.handle, identity, ctypes.byref(message)), OK)
                self.assertEqual(message.state, ACKNOWLEDGED)
                library.sotto_message_clear(ctypes.byref(message))
            finally:
                alice.remove()
                bob.remove()


if __name__ == "__main__":
    cases.main()
