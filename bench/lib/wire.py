"""A small client of PostgreSQL's protocol (version 3.0; chapter "Frontend/Backend
Protocol" of its manual): for load and latencies that a driver's own cost in
Python would hide.  Unix sockets, trust; no more than is used here.
"""

import socket
import struct


class Refused(Exception):
    """The server said ERROR; args are SQLSTATE and message."""


def message(kind, payload):
    return kind + struct.pack("!I", len(payload) + 4) + payload


def cstring(text):
    return text.encode() + b"\0"


class Session:
    """One connection.  Requests can be sent without waiting; what comes back
    is then read with read_messages() and understood by the caller."""

    def __init__(self, host, port, user, database):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(f"{host}/.s.PGSQL.{port}")
        self.buffer = bytearray()
        start = struct.pack("!I", 196608) + cstring("user") + cstring(user) \
            + cstring("database") + cstring(database) + b"\0"
        self.socket.sendall(struct.pack("!I", len(start) + 4) + start)
        self.pid = None
        self.wait_ready()

    def fileno(self):
        return self.socket.fileno()

    def read_messages(self):
        """What has come, as (kind, payload); blocks until there is something."""
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("server closed the connection")
        self.buffer += data
        messages = []
        at = 0
        while len(self.buffer) - at >= 5:
            length = struct.unpack_from("!I", self.buffer, at + 1)[0]
            if len(self.buffer) - at < length + 1:
                break
            messages.append((self.buffer[at:at + 1].decode(),
                             bytes(self.buffer[at + 5:at + 1 + length])))
            at += length + 1
        del self.buffer[:at]
        return messages

    def wait_ready(self, understand=None):
        """Read until the server is ready; the rows that came, as text."""
        understand = understand or row
        rows = []
        error = None
        while True:
            for kind, payload in self.read_messages():
                if kind == "D":
                    rows.append(understand(payload))
                elif kind == "K":
                    self.pid = struct.unpack_from("!I", payload)[0]
                elif kind == "E":
                    error = Refused(*error_fields(payload))
                elif kind == "Z":
                    if error:
                        raise error
                    return rows

    def query(self, sql):
        """Simple protocol: send and wait; the rows as tuples of text."""
        self.socket.sendall(message(b"Q", cstring(sql)))
        return self.wait_ready()

    def prepare(self, name, sql):
        self.socket.sendall(message(b"P", cstring(name) + cstring(sql) + b"\0\0")
                            + message(b"S", b""))
        self.wait_ready()

    def send(self, name, *parameters, binary=False):
        """Execute a prepared statement, without waiting for its answer.  Parameters
        that are bytes are binary; rows come as text, or all in binary."""
        bind = b"\0" + cstring(name) + struct.pack("!H", len(parameters))
        for parameter in parameters:
            bind += struct.pack("!H", isinstance(parameter, bytes))
        bind += struct.pack("!H", len(parameters))
        for parameter in parameters:
            if parameter is None:
                bind += struct.pack("!i", -1)
            else:
                value = parameter if isinstance(parameter, bytes) else str(parameter).encode()
                bind += struct.pack("!I", len(value)) + value
        bind += struct.pack("!HH", 1, binary)
        self.socket.sendall(message(b"B", bind) + message(b"E", b"\0\0\0\0\0")
                            + message(b"S", b""))

    def execute(self, name, *parameters):
        self.send(name, *parameters)
        return self.wait_ready()

    def execute_binary(self, name, *parameters):
        """The same, with rows as they came."""
        self.send(name, *parameters, binary=True)
        return self.wait_ready(fields)

    def close(self):
        self.socket.sendall(message(b"X", b""))
        self.socket.close()


def fields(payload):
    """A DataRow's values, as they came."""
    values = []
    at = 2
    for _ in range(struct.unpack_from("!H", payload)[0]):
        length = struct.unpack_from("!i", payload, at)[0]
        at += 4
        if length < 0:
            values.append(None)
        else:
            values.append(payload[at:at + length])
            at += length
    return tuple(values)


def row(payload):
    """A DataRow's values, as text."""
    return tuple(None if value is None else value.decode() for value in fields(payload))


def error_fields(payload):
    fields = {part[:1]: part[1:].decode() for part in payload.split(b"\0") if part}
    return fields.get(b"C"), fields.get(b"M")


def notification(payload):
    """A NotificationResponse's channel and text."""
    channel, text = payload[4:].split(b"\0")[:2]
    return channel.decode(), text.decode()
