"""A real server in virtual time: its clock is set, and then it is called.

dfsmr.tick(now) makes the board go by that time and does what is due by then,
so what a machine does in hours happens as fast as the calls can be made.
Between two settings the board's clock goes on at the pace of the real one; a
scenario whose times are seconds does not see that.
"""

import datetime
import heapq
import itertools

import psycopg

EPOCH = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)

# Setting the clock by less would set it back, as the real one has gone on.
RESOLUTION = 0.02


def moment(seconds):
    return EPOCH + datetime.timedelta(seconds=seconds)


def seconds(time):
    return (time - EPOCH).total_seconds()


class Server:
    """Calls of dfsmr at virtual times, in seconds from the beginning."""

    def __init__(self):
        self.connection = psycopg.connect(autocommit=True, prepare_threshold=1)
        self.cursor = self.connection.cursor()
        self.now = None

    def query(self, sql, *parameters):
        return self.cursor.execute(sql, parameters).fetchall()

    def set_up(self, definition):
        """A fresh installation with one machine, at time 0."""
        self.cursor.execute("SET client_min_messages = error")
        self.cursor.execute("DROP EXTENSION IF EXISTS dfsmr")
        self.cursor.execute("CREATE EXTENSION dfsmr")
        self.query("SELECT dfsmr.define(%s)", definition)
        self.now = 0.0
        self.query("SELECT dfsmr.tick(%s)", EPOCH)

    def go_to(self, time):
        """Let time pass until then, and what is due happen."""
        if time - self.now >= RESOLUTION:
            self.now = time
            self.query("SELECT dfsmr.tick(%s)", moment(time))

    def start_at(self, machine, times):
        """Start instances that are not handed out before these times."""
        self.query("""SELECT count(dfsmr.start(%s, delay => at - dfsmr.board_time()))
                      FROM unnest(%s::timestamptz[]) AS at""",
                   machine, [moment(time) for time in times])

    def start(self, machine, count):
        self.query("SELECT count(dfsmr.start(%s)) FROM generate_series(1, %s)", machine, count)

    def ready(self, client, count=1):
        """Claim; a list of (instance, node, visit, attempt, claimed, expires)."""
        rows = self.query("""SELECT instance, node, visit, attempt, claimed_at, expires_at
                             FROM dfsmr.ready(%s, max => %s)""", client, count)
        return [(*row[:4], seconds(row[4]), seconds(row[5])) for row in rows]

    def complete(self, task, transition, client):
        """Say the transition; None, or the SQLSTATE with which it was refused."""
        instance, _, visit, attempt = task[:4]
        try:
            self.query("SELECT node FROM dfsmr.transition(%s, %s, '{}', %s, %s, %s)",
                       instance, transition, visit, client, attempt)
        except psycopg.Error as error:
            if error.sqlstate not in ("SM004", "SM007"):
                raise
            return error.sqlstate
        return None


class Events:
    """What happens next: (time, call) in order."""

    def __init__(self):
        self.heap = []
        self.numbers = itertools.count()

    def at(self, time, call, *arguments):
        heapq.heappush(self.heap, (time, next(self.numbers), call, arguments))

    def run(self):
        while self.heap:
            time, _, call, arguments = heapq.heappop(self.heap)
            call(time, *arguments)
