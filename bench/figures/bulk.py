"""Starting many instances in one statement, against INSERT … SELECT of as many
rows into a plain table with the same columns and indexes, without history."""

import time

from rows import Row
from work import JOB

TITLE = "bulk start"

PLAIN = """
CREATE TABLE plain (LIKE dfsmr.instance INCLUDING DEFAULTS INCLUDING INDEXES);
SELECT dfsmr.start('job');
"""

# Columns as they are, but for the id: whatever the table has.
COPY = """
DO $$
DECLARE
    names text;
BEGIN
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO names FROM pg_attribute
    WHERE attrelid = 'plain'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'id';
    EXECUTE format('CREATE VIEW one AS SELECT %1$s FROM dfsmr.instance LIMIT 1', names);
    EXECUTE format('CREATE PROCEDURE fill_plain(n integer) LANGUAGE sql AS
        ''INSERT INTO plain (id, %1$s) SELECT gen_random_uuid(), %1$s FROM one, generate_series(1, n)''',
        names);
END $$;
"""


def measure(b):
    count = b.scale(100_000, 2_000)
    db = b.database()
    b.define(db, JOB)
    b.cluster.script(db, PLAIN + COPY)
    b.settle(db)

    def timed(sql):
        def run():
            with b.cluster.connect(db) as c:
                started = time.perf_counter()
                c.execute(sql)
                return count / (time.perf_counter() - started)
        return run

    samples = b.interleave([
        ("start()", timed(f"SELECT count(dfsmr.start('job')) FROM generate_series(1, {count})")),
        ("start_many()", timed("SELECT count(*) FROM dfsmr.start_many('job', ARRAY("
                               f"SELECT '{{}}'::jsonb FROM generate_series(1, {count})))")),
        ("INSERT … SELECT", timed(f"CALL fill_plain({count})"))])
    return [Row(f"bulk start of {count:,} by {way}", "/s",
                {k: samples[k] for k in (way, "INSERT … SELECT")}, ours=way,
                against="INSERT … SELECT", bar=0.6)
            for way in ("start()", "start_many()")]
