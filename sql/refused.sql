-- Bad input: every refusal has the SQLSTATE that docs/reference.md promises,
-- whatever was wrong, and changes nothing.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS dfsmr CASCADE;
CREATE EXTENSION dfsmr;
CREATE FUNCTION said(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'SELECT * FROM dfsmr.' || call;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || left(SQLERRM, 100);
END $$;
SELECT * FROM dfsmr.define($$
id: m
nodes:
  t: {start: true, transitions: {ok: p}}
  p: {await: signal, transitions: {ok: e}}
  e: {final: true}
$$);
SELECT dfsmr.start('m', id => '00000000-0000-0000-0000-00000000000a') IS NOT NULL AS started;
SELECT dfsmr.start('m', id => '00000000-0000-0000-0000-00000000000b') IS NOT NULL AS started;
SELECT dfsmr.abort('00000000-0000-0000-0000-00000000000b');
SELECT count(*) AS before FROM dfsmr.changes \gset

CREATE TABLE calls (n int GENERATED ALWAYS AS IDENTITY, call text);
INSERT INTO calls (call) VALUES
-- Unknown.
('start(''x'')'), ('ready(''c'', ''x'')'), ('ready(''c'', ''m'', ''x'')'),
('transition(''00000000-0000-0000-0000-000000000000'', ''ok'')'),
('relinquish(''00000000-0000-0000-0000-000000000000'')'),
('heartbeat(''00000000-0000-0000-0000-000000000000'', 1)'),
('signal(''m'', ''x'', ''ok'')'), ('signal(''x'', ''x'', ''ok'')'),
('abort(''00000000-0000-0000-0000-000000000000'')'),
('move(''00000000-0000-0000-0000-000000000000'', ''t'', ''r'')'),
('move(''00000000-0000-0000-0000-00000000000a'', ''x'', ''r'')'),
('pause(''x'')'), ('pause(''m'', ''x'')'), ('resume(''x'')'),
('definition(''x'')'), ('definition(''m'', 2)'), ('graph(''x'')'), ('graph(''m'', 1, ''png'')'),
('history(''00000000-0000-0000-0000-000000000000'')'),
('allowed(''00000000-0000-0000-0000-000000000000'')'),
-- Not now.
('transition(''00000000-0000-0000-0000-00000000000a'', ''x'')'),
('transition(''00000000-0000-0000-0000-00000000000a'', ''ok'', visit => 2)'),
('transition(''00000000-0000-0000-0000-00000000000a'', ''ok'', visit => -2147483648)'),
('transition(''00000000-0000-0000-0000-00000000000b'', ''ok'')'),
('relinquish(''00000000-0000-0000-0000-00000000000a'')'),
('relinquish(''00000000-0000-0000-0000-00000000000b'')'),
('heartbeat(''00000000-0000-0000-0000-00000000000a'', 5)'),
('heartbeat(''00000000-0000-0000-0000-00000000000a'', 1, 9)'),
('signal(''m'', NULL, ''ok'', instance => ''00000000-0000-0000-0000-00000000000a'')'),
('abort(''00000000-0000-0000-0000-00000000000b'')'),
('start(''m'', id => ''00000000-0000-0000-0000-00000000000a'')'),
('define(''{"id": "m", "nodes": {"t": {"start": true, "transitions": {"ok": "e"}}, "e": {"final": true}}}'', replaces => 7)'),
-- NULL.
('validate(NULL)'), ('define(NULL)'), ('define(''x'', NULL)'), ('start(NULL)'), ('start(''m'', NULL)'),
('start(''m'', delay => NULL)'), ('start(''m'', if_exists => NULL)'),
('ready(NULL)'), ('ready(''c'', max => NULL)'), ('ready(''c'', wait => NULL)'),
('transition(NULL, ''ok'')'), ('transition(''00000000-0000-0000-0000-00000000000a'', NULL)'),
('transition(''00000000-0000-0000-0000-00000000000a'', ''ok'', NULL)'),
('relinquish(NULL)'), ('relinquish(''00000000-0000-0000-0000-00000000000a'', delay => NULL)'),
('heartbeat(NULL, 1)'), ('heartbeat(''00000000-0000-0000-0000-00000000000a'', NULL)'),
('signal(NULL, NULL, ''ok'')'), ('signal(''m'', ''k'', NULL)'), ('signal(''m'', ''k'', ''ok'', NULL)'),
('abort(NULL)'), ('move(NULL, ''t'', ''r'')'), ('move(''00000000-0000-0000-0000-00000000000a'', NULL, ''r'')'),
('move(''00000000-0000-0000-0000-00000000000a'', ''t'', NULL)'),
('pause(NULL)'), ('resume(NULL)'), ('definition(NULL)'), ('graph(NULL)'), ('graph(''m'', 1, NULL)'),
('history(NULL)'), ('allowed(NULL)'), ('changes_since(NULL, NULL)'),
-- Of the wrong kind.
('start(''m'', ''[]'')'), ('start(''m'', ''1'')'), ('start(''m'', data => ''null'')'),
('transition(''00000000-0000-0000-0000-00000000000a'', ''ok'', ''"x"'')'),
('transition(''00000000-0000-0000-0000-00000000000a'', ''ok'', data => ''[]'')'),
('signal(''m'', ''k'', ''ok'', ''[]'')'),
('move(''00000000-0000-0000-0000-00000000000a'', ''t'', ''r'', ''[]'')'),
('start(''m'', ''{"a": "\u0000"}'')'),
-- Out of range.
('start(''m'', delay => ''-1 s'')'), ('start(''m'', delay => ''-178000000 years'')'),
('start(''m'', delay => ''300000 years'')'), ('start(''m'', priority => -2147483648)'),
('start(''m'', key => repeat(''k'', 1000000))'), ('start(''m'', lane => repeat(''k'', 1000000))'),
('start(repeat(''m'', 1000000))'), ('start(''m'', if_exists => ''x'')'),
('ready(repeat(''c'', 1000000))'), ('ready(''c'', repeat(''m'', 1000000))'), ('ready(''c'', ''m'', repeat(''n'', 1000000))'),
('ready(''c'', max => 0)'), ('ready(''c'', max => -2147483648)'), ('ready(''c'', max => 2147483647)'),
('ready(''c'', wait => ''-1 s'')'),
('transition(''00000000-0000-0000-0000-00000000000a'', repeat(''t'', 1000000))'),
('transition(''00000000-0000-0000-0000-00000000000a'', ''ok'', client => repeat(''c'', 1000000))'),
('transition(''00000000-0000-0000-0000-00000000000a'', ''ok'', delay => ''-1 s'')'),
('transition(''00000000-0000-0000-0000-00000000000a'', ''ok'', note => repeat(''n'', 1000000))'),
('relinquish(''00000000-0000-0000-0000-00000000000a'', delay => ''-1 s'')'),
('relinquish(''00000000-0000-0000-0000-00000000000a'', delay => ''300000 years'')'),
('signal(''m'', repeat(''k'', 1000000), ''ok'')'),
('move(''00000000-0000-0000-0000-00000000000a'', repeat(''n'', 1000000), ''r'')'),
('changes_since(''x'')'), ('changes_since(NULL, 0)'), ('changes_since(NULL, -1)'),
('start_many(''m'', NULL)'), ('start_many(''x'', ''{}'')'), ('start_many(''m'', ''{"{}"}'', keys => ''{}'')'),
('transition_many(NULL, ''{}'')'), ('transition_many(''{}'', ''{ok}'')'), ('transition_many(''{}'', NULL)'),
('transition_and_ready(NULL, ''{}'', ''{}'')'), ('transition_and_ready(''c'', ''{}'', ''{}'', machine => ''x'')'),
('tick(''infinity'')'),
-- Definitions.
('define('''')'), ('define(repeat(''['', 10000))'), ('define(repeat(''x'', 300000))'),
('define(''{"id": "m"} trailing'')'), ('define(''a: &x 1'')'), ('define(''--- {} '' || chr(10) || ''--- {}'')');
SELECT replace(replace(call, '00000000-0000-0000-0000-0000000000', '…'), repeat('1', 40), '') AS call, said(call) FROM calls ORDER BY n;
-- Bytes that are no UTF-8, and NUL, do not get as far as here.
SELECT said('start(convert_from(''\xff'', ''UTF8''))');
SELECT said('start(E''a\x00b'')');

SELECT count(*) - :before AS changes FROM dfsmr.changes;
SELECT instance, node, state, visit FROM dfsmr.instances ORDER BY instance;
DROP TABLE calls;
DROP FUNCTION said;
