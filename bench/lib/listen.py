"""listen.py DATABASE CHANNEL COUNT [MARKER]: so many sessions that LISTEN, read what
comes and drop it, at as little cost to the machine as Python can.  Says
"listening" when all do, "heard" when one has heard of the marker, and the number of
bytes at the end."""

import os
import selectors
import signal
import sys

from wire import Session


def main():
    database, channel, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    selector = selectors.DefaultSelector()
    sessions = []
    for _ in range(count):
        session = Session(os.environ["PGHOST"], os.environ["PGPORT"], os.environ["PGUSER"],
                          database)
        session.query(f'LISTEN "{channel}"')
        selector.register(session.socket, selectors.EVENT_READ)
        sessions.append(session)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("listening", flush=True)
    marker = sys.argv[4].encode() if len(sys.argv) > 4 else None
    total = 0
    before = b""
    try:
        while True:
            for key, _ in selector.select():
                data = key.fileobj.recv(1 << 18)
                if not data:
                    return
                total += len(data)
                if marker and marker in before + data:
                    print("heard", flush=True)
                    marker = None
                before = data[-100:]
    finally:
        print(total)


main()
