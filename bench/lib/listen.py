"""listen.py DATABASE CHANNEL COUNT: so many sessions that LISTEN, read what
comes and drop it, at as little cost to the machine as Python can.  Says
"listening" when all do, and the number of bytes at the end."""

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
    total = 0
    try:
        while True:
            for key, _ in selector.select():
                data = key.fileobj.recv(1 << 18)
                if not data:
                    return
                total += len(data)
    finally:
        print(total)


main()
