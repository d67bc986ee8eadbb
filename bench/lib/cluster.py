"""The throw-away cluster, and databases in it."""

import os
import shutil
import subprocess
import time

import psycopg

# What every figure runs with, and the table states.  Everything that is not
# named here is PostgreSQL's default: fsync, synchronous_commit,
# full_page_writes and autovacuum are on.
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "min_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "max_connections": "400",
    "dfsmr.max_leases": "150000",
}


class Cluster:
    """A cluster in a new directory that listens on a unix socket there."""

    def __init__(self, work, disk):
        self.work = work
        self.data = os.path.join(disk, f"dfsmr-bench-data.{os.getpid()}")
        self.socket = work
        self.settings = dict(SETTINGS)
        self.bindir = self.pg_config("--bindir")
        self.sharedir = self.pg_config("--sharedir")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        self.env.update(PGHOST=self.socket, PGPORT="5432", PGUSER="postgres")
        self.new = True
        self.warm = False
        self.wrapped = None

    @staticmethod
    def pg_config(what):
        return subprocess.check_output([os.environ.get("PG_CONFIG", "pg_config"), what],
                                       text=True).strip()

    def program(self, name):
        return os.path.join(self.bindir, name)

    def run(self, *command, **options):
        """Run a program that connects here; its output, or CalledProcessError."""
        done = subprocess.run(command, env={**self.env, **options.pop("env", {})},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False, **options)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-4000:]}")
        return done.stdout

    def configuration(self, extra):
        with open(os.path.join(self.work, "stage.conf"), encoding="utf-8") as conf:
            lines = [conf.read()]
        for name, value in {**self.settings, **extra}.items():
            lines.append(f"{name} = '{value}'")
        lines.append(f"unix_socket_directories = '{self.socket}'")
        lines.append("port = 5432")
        return "\n".join(lines) + "\n"

    def start(self, wrapper=None, **extra):
        """Start it with further settings, perhaps under another program."""
        if self.new:
            self.run(self.program("initdb"), "-D", self.data, "-U", "postgres",
                     "-A", "trust", "--no-locale", "-E", "UTF8")
            with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="utf-8") as conf:
                conf.write("include 'bench.conf'\n")
            self.new = False
        with open(os.path.join(self.data, "bench.conf"), "w", encoding="utf-8") as conf:
            conf.write(self.configuration(extra))
        log = os.path.join(self.work, "server.log")
        if not wrapper:
            self.run(self.program("pg_ctl"), "-D", self.data, "-l", log, "-w", "-t", "120",
                     "start", stdin=subprocess.DEVNULL)
            if not self.warm and not os.environ.get("QUICK"):
                self.fill_log()
            return
        with open(log, "a", encoding="utf-8") as out:
            self.wrapped = subprocess.Popen([*wrapper, self.program("postgres"), "-D", self.data],
                                            env=self.env, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out)
        self.wait_until_up()

    def fill_log(self):
        """A server that has run for a while writes into files of the log that it
        had before; one that is new makes each, which is no side's burden."""
        with self.connect() as connection:
            for _ in range(192):
                connection.execute("SELECT pg_logical_emit_message(true, '', '')")
                connection.execute("SELECT pg_switch_wal()")
            connection.execute("CHECKPOINT")
        self.warm = True

    def wait_until_up(self):
        deadline = time.monotonic() + 120
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def stop(self, remove=True):
        self.run(self.program("pg_ctl"), "-D", self.data, "-m", "fast", "-w", "-t", "300", "stop")
        if self.wrapped:
            self.wrapped.wait()
            self.wrapped = None
        if remove:
            shutil.rmtree(self.data, ignore_errors=True)

    def restart(self, **extra):
        self.stop(remove=False)
        self.start(**extra)

    def connect(self, database="postgres", **options):
        return psycopg.connect(host=self.socket, user="postgres", dbname=database,
                               autocommit=True, **options)

    def query(self, database, sql, *parameters):
        """All rows of a statement."""
        with self.connect(database) as connection:
            cursor = connection.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, database, sql, *parameters):
        return self.query(database, sql, *parameters)[0][0]

    def script(self, database, sql):
        """Several statements, each in a transaction of its own."""
        self.run(os.path.join(self.bindir, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1",
                 "-d", database, input=sql)

    def create(self, database, template="template0"):
        self.query("postgres", f'DROP DATABASE IF EXISTS "{database}"')
        strategy = " STRATEGY file_copy" if self.version() >= 150000 else ""
        self.query("postgres", f'CREATE DATABASE "{database}" TEMPLATE "{template}"{strategy}')

    def drop(self, database):
        self.query("postgres", f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def version(self):
        return int(self.value("postgres", "SHOW server_version_num"))

    def scheduler(self, database):
        """The pid of the database's scheduler, once it runs."""
        rows = self.query(database, """
            SELECT pid FROM pg_stat_activity
            WHERE backend_type LIKE 'dfsmr%%' AND datname = current_database()""".replace("%%", "%"))
        return rows[0][0] if rows else None
