"""Those who speak to a node's port without being a node: TLS as links use it, cells, hello (docs/spec/links.md)."""
import hashlib
import os
import socket
import ssl
import struct

CELL_SIZE = 2424
PACKET_SIZE = 2418
KIND_PACKET, KIND_PART = 1, 3
WHOLE_MESSAGE = 3  # flags of a part: first and last


def link_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["sotto/1"])
    return context


def cell(kind, flags, body):
    return struct.pack(">BBHH", kind, flags, len(body), 0) + body + bytes(PACKET_SIZE - len(body))


def network_id(folder):
    with open(os.path.join(folder, "genesis.sotto"), "rb") as file:
        return hashlib.blake2b(b"sotto genesis 1\0" + file.read(), digest_size=32).digest()


class Client:
    """A client's link from an address of its own, after the hello."""

    def __init__(self, host, port, folder, source="127.0.0.2"):
        raw = socket.create_connection((host, port), timeout=30, source_address=(source, 0))
        self.tls = link_context().wrap_socket(raw)
        hello = struct.pack(">BH32sIQ", 1, 1, network_id(folder), 0, 0)
        self.tls.sendall(cell(KIND_PART, WHOLE_MESSAGE, hello))

    def send_packets(self, count):
        for _ in range(count):
            self.tls.sendall(cell(KIND_PACKET, 0, b"\x01" + os.urandom(PACKET_SIZE - 1)))

    def close(self):
        self.tls.close()


def port_of(node):
    """(host, port) of its links."""
    host, port = node["link"].rsplit(":", 1)
    return host, int(port)
