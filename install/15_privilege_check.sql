-- What the views ask of every row they could show.

CREATE FUNCTION dfsmr.may_read(machine text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'dfsmr_may_read'
    LANGUAGE C STABLE PARALLEL SAFE CALLED ON NULL INPUT COST 1;
COMMENT ON FUNCTION dfsmr.may_read(text) IS
    'may the caller see what belongs to this machine? any privilege on it lets one; NULL asks about what belongs to no machine';
