-- dfsmr: a distributed finite state machine runner.
-- Concatenated from install/*.sql in the order of their names.

\echo Use "CREATE EXTENSION dfsmr" to load this file. \quit

SET LOCAL search_path = pg_catalog, pg_temp;

-- Made here, not named in the control file: so it is a member of the
-- extension, goes with it, and a schema of that name made beforehand by
-- somebody else is an error instead of a trap.
CREATE SCHEMA dfsmr;
COMMENT ON SCHEMA dfsmr IS 'dfsmr: a distributed finite state machine runner';
