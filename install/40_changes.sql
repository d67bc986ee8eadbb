-- Reading the changelog.
--
--   changes           every change the caller may read, as far as the caller's
--                     snapshot sees it; to look around, not to follow
--   history()         the changes of one instance
--   changes_since()   follows the changelog exactly: no change is missed, none
--                     comes twice, whenever its transaction commits
--   changes_cursor()  where "now" is
--
-- A change can be read by whoever may read its machine.

-- A barrier: a function in a user's WHERE must not see rows before they are
-- filtered.  A change of no machine (there is none yet) would be for those who
-- may read all.
CREATE VIEW dfsmr.changes WITH (security_barrier) AS
    SELECT c.seq, c.at, c.kind, c.machine, c.version, c.instance, c.key, c.visit,
           c.attempt, c.prev_node, c.transition, c.node, c.client, c.role, c.note,
           c.node_params, c.data, c.claimed_at
      FROM dfsmr.change AS c
     WHERE dfsmr.may_read(c.machine);
COMMENT ON VIEW dfsmr.changes IS
    'the changelog: one row per change, numbered by seq; use changes_since() to follow it';
COMMENT ON COLUMN dfsmr.changes.seq IS 'number, drawn before the row was written over the version that was read: an effect has a higher one than its cause';
COMMENT ON COLUMN dfsmr.changes.at IS 'when it was made, not when it was committed';
COMMENT ON COLUMN dfsmr.changes.kind IS 'define, start, claim, transition, timer, timeout, relinquish, signal, move, abort, upgrade, pause, resume or breaker';
COMMENT ON COLUMN dfsmr.changes.visit IS 'the visit that was entered, or that it is in';
COMMENT ON COLUMN dfsmr.changes.attempt IS 'the attempt that ended the visit before, or failed in it';
COMMENT ON COLUMN dfsmr.changes.role IS 'the user who made it';
COMMENT ON COLUMN dfsmr.changes.data IS 'what was handed in, not the merged data';
COMMENT ON COLUMN dfsmr.changes.claimed_at IS 'timeout and claim: when the work was claimed';

-- history(instance): its changes in their order, seen as the view sees them.
-- Errors: SM002 unknown instance, 22004 NULL, 42501 not readable.
CREATE FUNCTION dfsmr.history(instance uuid) RETURNS SETOF dfsmr.changes
    AS 'MODULE_PATHNAME', 'dfsmr_history'
    LANGUAGE C STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT ROWS 10;
COMMENT ON FUNCTION dfsmr.history(uuid) IS 'the changes of one instance, in their order';

-- changes_since(cursor, max): at most max changes behind a cursor, each with
-- the cursor that continues behind it.  NULL begins with the oldest that is
-- kept, restored ones included.  The consumer stores the cursor of the last
-- row that it has dealt with (in the same transaction as what it did, if it
-- wants to be exact), and passes it the next time; when no row comes, it keeps
-- the one it has, or has it moved by changes_cursor(cursor).
--
-- It reads the latest state whatever the isolation level.  The caller's own
-- uncommitted changes are not returned, and come after it has committed.
-- Order: no effect before its cause; else no order between transactions.
-- Errors: SM011 a cursor of another changelog, or of a history that this
-- server does not have; 22023 not a cursor, or max below 1; 0A000 on a standby.
CREATE FUNCTION dfsmr.changes_since(cursor text, max integer DEFAULT 1000)
    RETURNS TABLE (seq bigint, at timestamptz, kind text, machine text, version integer,
                   instance uuid, key text, visit integer, attempt integer, prev_node text,
                   transition text, node text, client text, role text, note text,
                   node_params jsonb, data jsonb, claimed_at timestamptz, cursor text)
    AS 'MODULE_PATHNAME', 'dfsmr_changes_since'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 1000;
COMMENT ON FUNCTION dfsmr.changes_since(text, integer) IS
    'the changes behind a cursor, exactly once, each with the cursor that continues behind it; NULL begins with the oldest';

-- changes_cursor(): the cursor behind everything that is committed now.
-- changes_cursor(after): the same if nothing that the caller may read is
-- behind "after", else "after".  So a consumer without work keeps up with the
-- end of the changelog and misses nothing.
-- Errors: as changes_since().
CREATE FUNCTION dfsmr.changes_cursor(after text DEFAULT NULL) RETURNS text
    AS 'MODULE_PATHNAME', 'dfsmr_changes_cursor'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT;
COMMENT ON FUNCTION dfsmr.changes_cursor(text) IS
    'the cursor of now, or, given one, as far behind it as there is nothing to read';
