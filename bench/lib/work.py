"""Machines, scripts and supplies that several figures share."""

# Items that go back and forth between two tasks: a supply that never ends.
FLIP = """
id: flip
endless: true
nodes:
  a: {start: true, timeout: 5m, transitions: {go: b}}
  b: {timeout: 5m, transitions: {go: a}}
"""

# One task, then the end.
JOB = """
id: job
nodes:
  work: {start: true, timeout: 5m, transitions: {ok: success, error: failed}}
  success: {final: true}
  failed: {final: true, outcome: failure}
"""

# The n-th item's id.  The same text on both sides, so it costs both the same.
ITEM_ID = "('00000000-0000-4000-8000-' || lpad({n}::text, 12, '0'))::uuid"

ITEM = r"\set n random(1, :items)" + "\n"
ITEM_N = ITEM_ID.format(n=":n")

TRANSITION = ITEM + f"SELECT * FROM dfsmr.transition({ITEM_N}, 'go');\n"

UPDATE_AND_LOG = ITEM + f"""
WITH moved AS (
    UPDATE reference.item
    SET node = CASE node WHEN 'a' THEN 'b' ELSE 'a' END, visit = visit + 1, entered_at = now()
    WHERE id = {ITEM_N} RETURNING id, node, visit)
INSERT INTO reference.log (at, item, node, visit)
SELECT now(), id, node, visit FROM moved RETURNING item, node, visit;
"""

TEXTBOOK_TRANSITION = ITEM + f"SELECT textbook.transition({ITEM_N}, 'go');\n"

# Claim one and complete it, in two calls.
CLAIM_AND_COMPLETE = r"""
SELECT instance, visit, attempt FROM dfsmr.ready('worker', 'job') \gset
SELECT * FROM dfsmr.transition(:instance, 'ok', visit => :visit, client => 'worker', attempt => :attempt);
"""

# The same in one call: what the last one claimed is completed and the next
# claimed.  The variables of a pgbench client outlive its script.
NOTHING_CLAIMED = {"instances": "{}", "visits": "{}", "attempts": "{}"}


def complete_and_claim_call(batch, instances, visits, attempts):
    """The statement, with what its arguments are called by whoever sends it."""
    return f"""
SELECT array_agg(instance) FILTER (WHERE item IS NULL) AS instances,
       array_agg(visit) FILTER (WHERE item IS NULL) AS visits,
       array_agg(attempt) FILTER (WHERE item IS NULL) AS attempts
FROM dfsmr.transition_and_ready('worker', {instances}, array_fill('ok'::text, ARRAY[cardinality({instances}::uuid[])]),
    visits => {visits}, attempts => {attempts}, machine => 'job', max => {batch})"""


def complete_and_claim(batch):
    return complete_and_claim_call(batch, ":instances", ":visits", ":attempts") + " \\gset\n"


TEXTBOOK_CLAIM = """
UPDATE queue.job SET status = 'running', attempts = attempts + 1, claimed_by = 'worker', claimed_at = now()
WHERE id = (SELECT id FROM queue.job WHERE status = 'ready' AND run_at <= now()
            ORDER BY priority DESC, run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, payload \\gset
UPDATE queue.job SET status = 'done', finished_at = now() WHERE id = :id;
"""


def start_items(machine, count):
    return f"""SELECT count(dfsmr.start('{machine}', id => {ITEM_ID.format(n='n')}))
               FROM generate_series(1, {count}) AS n;"""


def start_jobs(count):
    return f"SELECT count(dfsmr.start('job')) FROM generate_series(1, {count});"


def fill_items(table, count):
    return f"""INSERT INTO {table} (id, node, visit, entered_at, data)
               SELECT {ITEM_ID.format(n='n')}, 'a', 1, now(), '{{}}'
               FROM generate_series(1, {count}) AS n;"""


def fill_queue(count):
    return f"INSERT INTO queue.job (priority) SELECT 0 FROM generate_series(1, {count});"


def start_jobs_many(count):
    """The same by start_many(), a hundred thousand at a time."""
    chunk = min(count, 100_000)
    return "".join(f"""SELECT count(*) FROM dfsmr.start_many('job',
        ARRAY(SELECT '{{}}'::jsonb FROM generate_series(1, {n})));"""
                   for n in [chunk] * (count // chunk) + ([count % chunk] if count % chunk else []))
