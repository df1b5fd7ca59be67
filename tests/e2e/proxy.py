"""A SOCKS5 proxy (RFC 1928, 1929) that keeps what it carries."""
import dataclasses
import select
import socket
import struct
import threading

NO_AUTHENTICATION, PASSWORD = 0, 2
IPV4 = 1


@dataclasses.dataclass
class Connection:
    """What crossed one connection, each way, as it was when it ended."""

    port: int  # that was dialled
    to_server: bytearray = dataclasses.field(default_factory=bytearray)
    to_client: bytearray = dataclasses.field(default_factory=bytearray)


def receive(source, n):
    data = b""
    while len(data) < n:
        more = source.recv(n - len(data))
        if not more:
            raise OSError("ended within the greeting")
        data += more
    return data


def asked_address(client):
    """Goes through the greeting; the (host, port) that the client wants."""
    _, count = receive(client, 2)
    if PASSWORD in receive(client, count):
        client.sendall(bytes([5, PASSWORD]))
        receive(client, receive(client, 2)[1])  # version and user
        receive(client, receive(client, 1)[0])  # password
        client.sendall(b"\x01\x00")
    else:
        client.sendall(bytes([5, NO_AUTHENTICATION]))
    kind = receive(client, 4)[3]
    if kind == IPV4:
        host = socket.inet_ntoa(receive(client, 4))
    else:
        host = receive(client, receive(client, 1)[0]).decode()
    return host, struct.unpack(">H", receive(client, 2))[0]


class ProxyServer(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"socks5://127.0.0.1:{self.listener.getsockname()[1]}"
        self.connections = []
        self.serving = []
        self.start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self.serve, args=(client,), daemon=True)
            self.serving.append(thread)
            thread.start()

    def serve(self, client):
        try:
            with client, socket.create_connection(asked_address(client)) as server:
                connection = Connection(server.getpeername()[1])
                self.connections.append(connection)
                client.sendall(bytes([5, 0, 0, IPV4]) + bytes(6))
                self.carry(connection, client, server)
        except OSError:
            pass  # either end has gone

    @staticmethod
    def carry(connection, client, server):
        ways = {client: (server, connection.to_server), server: (client, connection.to_client)}
        while True:
            for source in select.select(ways, [], [])[0]:
                target, kept = ways[source]
                data = source.recv(65536)
                if not data:
                    return
                kept += data
                target.sendall(data)

    def close(self):
        """Takes no more connections."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join()
        self.listener.close()

    def finish(self):
        """Returns all connections, when their ends have closed them."""
        self.close()
        for thread in self.serving:
            thread.join()
        return self.connections
