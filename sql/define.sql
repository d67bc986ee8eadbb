-- define(), definition(), graph(), machines: versions of machines.
-- The first version; the same again is a no-op, however it is spelled.
SELECT * FROM dfsmr.define(E'id: define_m\nnodes:\n  a: {start: true, timeout: 60s, transitions: {ok: b}}\n  b: {final: true}\n');
SELECT * FROM dfsmr.define(E'id: define_m\nnodes:\n  a: {start: true, timeout: 60s, transitions: {ok: b}}\n  b: {final: true}\n');
SELECT * FROM dfsmr.define('{"nodes": {"b": {"final": true}, "a": {"transitions": {"ok": {"to": "b"}}, "start": true, "timeout": "1m"}}, "id": "define_m"}');

-- A change is a new version.  dry_run only says so.
SELECT * FROM dfsmr.define('{id: define_m, nodes: {a: {start: true, transitions: {ok: b}}, b: {final: true}}}', dry_run => true);
SELECT version, current FROM dfsmr.machines WHERE machine = 'define_m';
SELECT * FROM dfsmr.define('{id: define_m, nodes: {a: {start: true, transitions: {ok: b}}, b: {final: true}}}');
SELECT * FROM dfsmr.define('{id: define_m, nodes: {a: {start: true, transitions: {ok: b}}, b: {final: true}}}', dry_run => true);

-- Back to an older meaning: a new version again, as the newest one counts.
SELECT * FROM dfsmr.define('{id: define_m, nodes: {a: {start: true, timeout: 60s, transitions: {ok: b}}, b: {final: true}}}');
SELECT machine, version, current, start_node, nodes, created_at <= now() + interval '1 minute' AS created_at, created_by = current_user AS created_by
  FROM dfsmr.machines WHERE machine = 'define_m' ORDER BY version;

-- replaces: the version that the caller takes for current.  The call that made
-- the current version may be repeated, so that a deployment that runs in many
-- processes succeeds in all of them.
SELECT * FROM dfsmr.define('{id: define_m, nodes: {a: {start: true, priority: 1, transitions: {ok: b}}, b: {final: true}}}', replaces => 2);
SELECT * FROM dfsmr.define('{id: define_m, nodes: {a: {start: true, priority: 1, transitions: {ok: b}}, b: {final: true}}}', replaces => 2, dry_run => true);
SELECT * FROM dfsmr.define('{id: define_m, nodes: {a: {start: true, priority: 1, transitions: {ok: b}}, b: {final: true}}}', replaces => 3);
SELECT * FROM dfsmr.define('{id: define_m, nodes: {a: {start: true, priority: 1, transitions: {ok: b}}, b: {final: true}}}', replaces => 3);
SELECT * FROM dfsmr.define('{id: define_m, nodes: {a: {start: true, priority: 1, transitions: {ok: b}}, b: {final: true}}}', replaces => 4);
SELECT * FROM dfsmr.define('{id: define_m, nodes: {a: {start: true, priority: 1, transitions: {ok: b}}, b: {final: true}}}', replaces => 2);
SELECT * FROM dfsmr.define('{id: define_m, nodes: {a: {start: true, transitions: {ok: b}}, b: {final: true}}}', replaces => 3);
SELECT * FROM dfsmr.define('{id: define_n, nodes: {a: {start: true, transitions: {ok: b}}, b: {final: true}}}', replaces => 1);
SELECT * FROM dfsmr.define('{id: define_n, nodes: {a: {start: true, transitions: {ok: b}}, b: {final: true}}}', replaces => 0);
SELECT * FROM dfsmr.define('{id: define_n, nodes: {a: {start: true, transitions: {ok: b}}, b: {final: true}}}', replaces => -1);

-- Each accepted version is a change.
SELECT kind, machine, version FROM dfsmr.change WHERE machine LIKE 'define\_%' ORDER BY seq;

-- What is refused stores nothing; the detail lists everything.
SELECT * FROM dfsmr.define('{id: define_bad, nodes: {a: {start: true, transitions: {ok: b}}}}');
SELECT * FROM dfsmr.define(E'id: define_bad\nnodes:\n  a: {start: true, transitions: {ok: a, no: c}}\n  b: {final: true}\n');
SELECT * FROM dfsmr.define('');
SELECT * FROM dfsmr.define(NULL);
SELECT * FROM dfsmr.define('id: define_m', NULL);
SELECT * FROM dfsmr.define('{id: dfsmr.m, nodes: {a: {start: true, transitions: {ok: b}}, b: {final: true}}}');
SELECT count(*) FROM dfsmr.machines WHERE machine = 'define_bad';

-- More than a message can show.
DO $$
DECLARE
    detail text;
BEGIN
    PERFORM dfsmr.define('nodes: {' || (SELECT string_agg('k' || i, ', ') FROM generate_series(1, 500) AS i) || '}');
EXCEPTION WHEN SQLSTATE 'SM005' THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RAISE NOTICE '%: % lines, the last one "%"', SQLERRM,
        array_length(string_to_array(detail, E'\n'), 1),
        (string_to_array(detail, E'\n'))[51];
END
$$;

-- A warning does not keep a definition from being accepted; it is said once.
SELECT * FROM dfsmr.define('{id: define_hot, nodes: {a: {start: true, transitions: {ok: b, error: a}}, b: {final: true}}}');
SELECT * FROM dfsmr.define('{id: define_hot, nodes: {a: {start: true, transitions: {ok: b, error: a}}, b: {final: true}}}');

-- The text as it was given.
SELECT dfsmr.definition('define_m', 1);
SELECT dfsmr.definition('define_m');
SELECT dfsmr.definition('define_m', 99);
SELECT dfsmr.definition('define_m', 0);
SELECT dfsmr.definition('define_unknown');
SELECT dfsmr.definition('define_unknown', 1);
SELECT dfsmr.definition(NULL);
SELECT dfsmr.definition(repeat('x', 1000000));
SELECT dfsmr.definition('');

-- Diagrams.
SELECT * FROM dfsmr.define(E'id: define_graph
nodes:
  crawl: {start: true, timeout: 30s, transitions: {ok: end, error: wait}}
  wait:
    delay: {base: 30s, backoff: 2, max_delay: 1h, jitter: full}
    fire: ok
    max_visits: 8
    on_max_visits: give_up
    transitions: {ok: crawl, give_up: dead}
  dead: {await: signal, transitions: {redrive: {to: crawl, reset: true}, drop: failed}}
  end: {final: true}
  failed: {final: true, outcome: failure}
');
\pset format unaligned
\pset tuples_only on
SELECT dfsmr.graph('define_graph');
SELECT dfsmr.graph('define_graph', format => 'dot');
\pset tuples_only off
\pset format aligned
SELECT dfsmr.graph('define_graph', 1, 'mermaid') = dfsmr.graph('define_graph') AS same;
SELECT dfsmr.graph('define_graph', 1, 'svg');
SELECT dfsmr.graph('define_graph', 1, NULL);
SELECT dfsmr.graph('define_graph', 2);
SELECT dfsmr.graph('define_unknown');
SELECT dfsmr.graph(NULL);

-- Rolled back, also to a savepoint: its number is free for another meaning, and
-- this session does not remember the one that never was.
BEGIN;
SELECT * FROM dfsmr.define('{id: define_back, nodes: {a: {start: true, transitions: {ok: b}}, b: {final: true}}}');
SAVEPOINT s;
SELECT * FROM dfsmr.define('{id: define_back, nodes: {a: {start: true, transitions: {wrong: b}}, b: {final: true}}}');
SELECT dfsmr.graph('define_back', 2) LIKE '%wrong%' AS wrong;
ROLLBACK TO s;
SELECT dfsmr.graph('define_back', 2);
ROLLBACK TO s;
SELECT * FROM dfsmr.define('{id: define_back, nodes: {a: {start: true, transitions: {right: b}}, b: {final: true}}}');
SELECT dfsmr.graph('define_back', 2) LIKE '%right%' AS right;
COMMIT;
SELECT dfsmr.graph('define_back') LIKE '%right%' AS right;
BEGIN;
SELECT * FROM dfsmr.define('{id: define_back, nodes: {a: {start: true, transitions: {third: b}}, b: {final: true}}}');
SELECT dfsmr.graph('define_back', 3) LIKE '%third%' AS third;
ROLLBACK;
SELECT * FROM dfsmr.define('{id: define_back, nodes: {a: {start: true, transitions: {other: b}}, b: {final: true}}}');
SELECT dfsmr.graph('define_back', 3) LIKE '%other%' AS other;

-- Two statements of one transaction, and two calls of one statement.
BEGIN;
SELECT (dfsmr.define('{id: define_two, nodes: {a: {start: true, transitions: {x' || i || ': b}}, b: {final: true}}}')).version FROM generate_series(1, 3) AS i;
SELECT (dfsmr.define('{id: define_two, nodes: {a: {start: true, transitions: {x3: b}}, b: {final: true}}}')).*;
COMMIT;

-- Not in a read-only transaction, where a dry run is fine.
BEGIN READ ONLY;
SELECT * FROM dfsmr.define('{id: define_m, nodes: {a: {start: true, transitions: {ok: b}}, b: {final: true}}}', dry_run => true);
SELECT * FROM dfsmr.define('{id: define_m, nodes: {a: {start: true, transitions: {ok: b}}, b: {final: true}}}');
ROLLBACK;

-- Rights: define needs admin on that machine, reading needs any.
CREATE ROLE regress_define_admin;
CREATE ROLE regress_define_other;
SELECT * FROM dfsmr.define('{id: define_mine, nodes: {a: {start: true, transitions: {no: b}}, b: {final: true}}}');
SELECT dfsmr.grant_admin('regress_define_admin', 'define_mine');
SELECT dfsmr.grant_read('regress_define_other', 'define_m');
SET ROLE regress_define_admin;
SELECT * FROM dfsmr.define('{id: define_mine, nodes: {a: {start: true, transitions: {ok: b}}, b: {final: true}}}', replaces => 1);
SELECT * FROM dfsmr.define('{id: define_m, nodes: {a: {start: true, transitions: {no: b}}, b: {final: true}}}');
SELECT * FROM dfsmr.define('{id: define_m, nodes: {a: {start: true, transitions: {no: b}}, b: {final: true}}}', dry_run => true);
SELECT * FROM dfsmr.define('{id: define_new, nodes: {a: {start: true, transitions: {no: b}}, b: {final: true}}}');
SELECT machine, version, current FROM dfsmr.machines ORDER BY 1, 2;
SELECT created_by FROM dfsmr.machines WHERE current;
SELECT dfsmr.definition('define_m');
SELECT dfsmr.graph('define_m');
SET ROLE regress_define_other;
SELECT DISTINCT machine FROM dfsmr.machines;
SELECT dfsmr.definition('define_m', 2);
SELECT dfsmr.definition('define_mine');
SELECT * FROM dfsmr.define('{id: define_m, nodes: {a: {start: true, transitions: {no: b}}, b: {final: true}}}');
RESET ROLE;
SELECT dfsmr.revoke_admin('regress_define_admin', 'define_mine');
SELECT dfsmr.revoke_read('regress_define_other', 'define_m');
DROP ROLE regress_define_admin, regress_define_other;

-- A row that was written past define() and cannot be read says so.
BEGIN;
INSERT INTO dfsmr.machine_version VALUES ('define_odd', 1, 'id: define_odd', '{}', now(), 'somebody');
SELECT dfsmr.graph('define_odd');
ROLLBACK;
