-- enforce(): a machine holds on a column of a user's own table.
--
--   CREATE TRIGGER order_state BEFORE INSERT OR UPDATE ON orders
--       FOR EACH ROW EXECUTE FUNCTION dfsmr.enforce('order', 'state');
--
-- Arguments: machine, column, then any of
--   insert=start        a new row is at the start node (the default)
--   insert=any          ... or at any node
--   from_unknown=refuse a row whose value is no node stays as it is (the default)
--   from_unknown=repair ... or may be set to any node
--   version=N           that version judges, not the current one
-- Refusals are check_violation (23514); the trigger is named as the constraint.

CREATE FUNCTION dfsmr.enforce() RETURNS trigger
    AS 'MODULE_PATHNAME', 'dfsmr_enforce'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION dfsmr.enforce() IS
    'trigger function, BEFORE INSERT OR UPDATE FOR EACH ROW: arguments machine, column and options insert=start|any, from_unknown=refuse|repair, version=N';

-- Runs a query of its own over the table, with the rights of the caller.
CREATE FUNCTION dfsmr.enforce_report("table" regclass, "column" name, machine text)
    RETURNS TABLE (value text, rows bigint)
    AS 'MODULE_PATHNAME', 'dfsmr_enforce_report'
    LANGUAGE C STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT ROWS 10 COST 10000;
COMMENT ON FUNCTION dfsmr.enforce_report(regclass, name, text) IS
    'values in the column that are not nodes of the machine, NULL among them, and in how many rows';
