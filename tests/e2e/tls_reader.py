"""TLS 1.3 read by a third party (RFC 8446, RFC 5869): a recorded connection, and the key log of one of its ends.

Every record is opened with its tag checked, by libcrypto's AEADs; the rest is Python. Only what nodes do is known: two cipher
suites, and nothing after the handshake but application data and alerts (no session tickets, no new keys).
"""
import ctypes
import hashlib
import hmac
import struct

ALERT, HANDSHAKE, APPLICATION_DATA = 21, 22, 23  # types of records
CLIENT_HELLO, SERVER_HELLO, FINISHED = 1, 2, 20  # types of handshake messages
TAG, NONCE = 16, 12
ALPN = 16  # an extension
SET_TAG = 0x11  # EVP_CTRL_AEAD_SET_TAG

libcrypto = ctypes.CDLL("libcrypto.so.3")
for function in ("EVP_CIPHER_CTX_new", "EVP_aes_128_gcm", "EVP_chacha20_poly1305"):
    getattr(libcrypto, function).restype = ctypes.c_void_p
libcrypto.EVP_CIPHER_CTX_free.argtypes = [ctypes.c_void_p]
libcrypto.EVP_CIPHER_CTX_ctrl.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_char_p]
libcrypto.EVP_DecryptInit_ex.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_char_p] * 2
libcrypto.EVP_DecryptUpdate.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int), ctypes.c_char_p,
                                        ctypes.c_int]
libcrypto.EVP_DecryptFinal_ex.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int)]

# Cipher suite: key length, AEAD. Both are with SHA-256.
SUITES = {0x1301: (16, libcrypto.EVP_aes_128_gcm()), 0x1303: (32, libcrypto.EVP_chacha20_poly1305())}


class Unreadable(Exception):
    """Not TLS as links.md has it, or not under these secrets."""


def expand_label(secret, label, length):
    """HKDF-Expand-Label with an empty context, of at most one hash's length (RFC 8446 §7.1)."""
    label = b"tls13 " + label
    info = struct.pack(">HB", length, len(label)) + label + b"\0"
    return hmac.digest(secret, info + b"\1", hashlib.sha256)[:length]


def read_keylog(path):
    """{client random: {label: secret}} of the handshakes that were completed, from a file in NSS' key log format."""
    sessions = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            label, random, secret = line.split()
            sessions.setdefault(bytes.fromhex(random), {})[label] = bytes.fromhex(secret)
    return {random: secrets for random, secrets in sessions.items() if "CLIENT_TRAFFIC_SECRET_0" in secrets}


def records(stream):
    """Yields (type, header, body); a record that the end of the recording cut is left out."""
    at = 0
    while at + 5 <= len(stream):
        end = at + 5 + int.from_bytes(stream[at + 3 : at + 5], "big")
        if end <= len(stream):
            yield stream[at], bytes(stream[at : at + 5]), bytes(stream[at + 5 : end])
        at = end


class Keys:
    """Opens the records of one direction under one traffic secret, in order."""

    def __init__(self, suite, secret):
        length, self.cipher = SUITES[suite]
        self.sequence = 0
        self.key, self.iv = expand_label(secret, b"key", length), expand_label(secret, b"iv", NONCE)

    def open(self, header, body):
        """(type, content) of a protected record. Raises Unreadable when its tag is wrong."""
        nonce = (int.from_bytes(self.iv, "big") ^ self.sequence).to_bytes(NONCE, "big")
        self.sequence += 1
        inner = self.decrypt(nonce, header, body).rstrip(b"\0")
        if not inner:
            raise Unreadable("a record without a type")
        return inner[-1], inner[:-1]

    def decrypt(self, nonce, header, body):
        text, tag = body[:-TAG], body[-TAG:]
        out, n = ctypes.create_string_buffer(len(text) + 1), ctypes.c_int()
        context = libcrypto.EVP_CIPHER_CTX_new()
        try:
            good = (libcrypto.EVP_DecryptInit_ex(context, self.cipher, None, self.key, nonce) == 1
                    and libcrypto.EVP_DecryptUpdate(context, None, n, header, len(header)) == 1
                    and libcrypto.EVP_DecryptUpdate(context, out, n, text, len(text)) == 1
                    and libcrypto.EVP_CIPHER_CTX_ctrl(context, SET_TAG, TAG, tag) == 1
                    and libcrypto.EVP_DecryptFinal_ex(context, None, n) == 1)
        finally:
            libcrypto.EVP_CIPHER_CTX_free(context)
        if not good:
            raise Unreadable("a record with a wrong tag")
        return out.raw[: len(text)]


def hello(stream, kind):
    """(random, what follows it) of the first message of a stream, a ClientHello or ServerHello; None if cut short."""
    first = next(records(stream), None)
    if first is None:
        return None
    if first[0] != HANDSHAKE or first[2][0] != kind:
        raise Unreadable("not the hello of a handshake")
    return first[2][6:38], first[2][38:]


def client_random(stream):
    """Which session a client's stream is of, as key logs name it; None if it ended too early to tell."""
    client_hello = hello(stream, CLIENT_HELLO)
    return client_hello and client_hello[0]


def vector(data, size):
    """(what it holds, what follows) of a vector that begins with its length (RFC 8446 §3.4)."""
    end = size + int.from_bytes(data[:size], "big")
    return data[size:end], data[end:]


def offered_protocols(stream):
    """What a client's stream asks to speak (ALPN, RFC 7301), in its order; None if it ended too early to tell."""
    client_hello = hello(stream, CLIENT_HELLO)
    if client_hello is None:
        return None
    rest, protocols = client_hello[1], []
    for size in (1, 2, 1):  # session id, cipher suites, compression methods
        _, rest = vector(rest, size)
    extensions, _ = vector(rest, 2)
    while extensions:
        kind, (content, extensions) = int.from_bytes(extensions[:2], "big"), vector(extensions[2:], 2)
        names = vector(content, 2)[0] if kind == ALPN else b""
        while names:
            name, names = vector(names, 1)
            protocols.append(name)
    return protocols


def chosen_suite(stream):
    """The cipher suite of a server's stream; None if it ended too early to tell."""
    server_hello = hello(stream, SERVER_HELLO)
    if server_hello is None:
        return None
    rest = server_hello[1]
    suite = int.from_bytes(rest[1 + rest[0] :][:2], "big")  # behind the session id
    if suite not in SUITES:
        raise Unreadable(f"cipher suite {suite:#x}")
    return suite


def split_messages(data):
    """The types of the whole handshake messages at the beginning, and what is left behind them."""
    kinds = []
    while len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[1:4], "big"):
        kinds.append(data[0])
        data = data[4 + int.from_bytes(data[1:4], "big") :]
    return kinds, data


def application_data(stream, suite, secrets, side):
    """Yields (length of the record's body as everybody sees it, content) for each of one direction; side: who writes."""
    keys, established, messages = Keys(suite, secrets[f"{side}_HANDSHAKE_TRAFFIC_SECRET"]), False, b""
    for _, header, body in (record for record in records(stream) if record[0] == APPLICATION_DATA):
        kind, content = keys.open(header, body)
        if kind == APPLICATION_DATA and established:
            yield len(body), content
        elif kind == HANDSHAKE and not established:
            kinds, messages = split_messages(messages + content)
            if FINISHED in kinds:
                keys, established = Keys(suite, secrets[f"{side}_TRAFFIC_SECRET_0"]), True
        elif kind != ALERT:
            raise Unreadable(f"a protected record of type {kind}")


def read_connection(to_server, to_client, secrets):
    """The records of application data, as application_data() has them: (from the client, from the server)."""
    suite = chosen_suite(to_client)
    if suite is None:
        return [], []
    return (list(application_data(to_server, suite, secrets, "CLIENT")),
            list(application_data(to_client, suite, secrets, "SERVER")))
