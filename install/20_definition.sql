-- Definitions: declaring machines, and looking at what is declared.

-- validate: every finding about a definition, sorted by line.  Reads no table,
-- so it may be used where nothing is defined yet.  No row means that define()
-- would accept it in silence; a warning does not keep it from being accepted.
-- Errors: 22004 definition is NULL.
CREATE FUNCTION dfsmr.validate(definition text)
    RETURNS TABLE (severity text, line integer, place text, message text)
    AS 'MODULE_PATHNAME', 'dfsmr_validate'
    LANGUAGE C IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT COST 1000 ROWS 10;
COMMENT ON FUNCTION dfsmr.validate(text) IS
    'everything that is wrong with a machine definition (YAML or JSON): severity (error, warning), line, place, and what to do';

-- define: stores a definition and returns the version it has.  What means the
-- same as the current version, however it is spelled, is a no-op (created is
-- false).  dry_run says what would happen.  replaces is the version that the
-- caller believes is current, 0 for none.
-- Errors: SM005 invalid definition (the detail lists all findings), SM013
-- another version is current, 42501 not allowed, 25006 read-only.
CREATE FUNCTION dfsmr.define(definition text, dry_run boolean DEFAULT false,
                             replaces integer DEFAULT NULL)
    RETURNS TABLE (machine text, version integer, created boolean)
    AS 'MODULE_PATHNAME', 'dfsmr_define'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 10000 ROWS 1;
COMMENT ON FUNCTION dfsmr.define(text, boolean, integer) IS
    'define a machine, or a new version of it; the same definition again changes nothing';

-- definition: the text as it was given.
-- Errors: SM001 unknown machine or version, 42501 not allowed.
CREATE FUNCTION dfsmr.definition(machine text, version integer DEFAULT NULL)
    RETURNS text
    AS 'MODULE_PATHNAME', 'dfsmr_definition'
    LANGUAGE C STABLE PARALLEL SAFE CALLED ON NULL INPUT COST 100;
COMMENT ON FUNCTION dfsmr.definition(text, integer) IS
    'the definition of a machine as it was given; the current version unless one is named';

-- graph: a diagram of a machine.
-- Errors: SM001 unknown machine or version, 22023 unknown format, 42501.
CREATE FUNCTION dfsmr.graph(machine text, version integer DEFAULT NULL,
                            format text DEFAULT 'mermaid')
    RETURNS text
    AS 'MODULE_PATHNAME', 'dfsmr_graph'
    LANGUAGE C STABLE PARALLEL SAFE CALLED ON NULL INPUT COST 100;
COMMENT ON FUNCTION dfsmr.graph(text, integer, text) IS
    'a diagram of a machine, in the language of Mermaid ("mermaid") or Graphviz ("dot")';

-- machines: what is defined, one row per version.  The canonical form is JSON.
CREATE VIEW dfsmr.machines WITH (security_barrier) AS
    SELECT v.machine,
           v.version,
           v.version = max(v.version) OVER (PARTITION BY v.machine) AS current,
           jsonb_path_query_first(v.canonical::jsonb,
               '$.nodes.keyvalue() ? (@.value.start == true).key') #>> '{}' AS start_node,
           ARRAY(SELECT n.node
                   FROM jsonb_object_keys(v.canonical::jsonb -> 'nodes') AS n (node)
                  ORDER BY n.node COLLATE "C") AS nodes,
           v.created_at,
           v.created_by
      FROM dfsmr.machine_version AS v
     WHERE dfsmr.may_read(v.machine);
COMMENT ON VIEW dfsmr.machines IS 'machines that are defined, one row per version';
COMMENT ON COLUMN dfsmr.machines.current IS 'is this the newest version, which start() uses?';
COMMENT ON COLUMN dfsmr.machines.start_node IS 'the node in which instances begin';
COMMENT ON COLUMN dfsmr.machines.nodes IS 'its nodes, sorted by name';
COMMENT ON COLUMN dfsmr.machines.created_by IS 'the role that defined it';
