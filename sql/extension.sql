-- What CREATE EXTENSION makes belongs to the extension and lies in its schema,
-- and no setting lacks bounds or a sentence.  (Comments and privileges are the
-- matter of privileges.sql.)  Empty answers are right ones.

CREATE TEMPORARY VIEW member AS
    SELECT classid, objid, (pg_identify_object(classid, objid, 0)).*
    FROM pg_depend
    WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
      AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'dfsmr');

-- The schema is a member: it was made by the script and goes with it.
SELECT type, identity FROM member WHERE type = 'schema';

-- Objects in the schema that are not members, or members elsewhere.
SELECT 'relation' AS what, relname AS name FROM pg_class c
WHERE relnamespace = 'dfsmr'::regnamespace AND relkind IN ('r', 'v', 'S', 'm', 'p')
  AND NOT EXISTS (SELECT FROM member m WHERE m.objid = c.oid)
UNION ALL
SELECT 'function', oid::regprocedure::text FROM pg_proc p
WHERE pronamespace = 'dfsmr'::regnamespace
  AND NOT EXISTS (SELECT FROM member m WHERE m.objid = p.oid)
UNION ALL
SELECT type, identity FROM member
WHERE coalesce(schema, 'dfsmr') <> 'dfsmr'
ORDER BY 1, 2;

-- Functions of the owner's rights with a search path that callers could bend.
SELECT oid::regprocedure AS bendable FROM pg_proc
WHERE pronamespace = 'dfsmr'::regnamespace AND prosecdef
  AND NOT coalesce(proconfig::text LIKE '%search_path=%', false);

-- Every setting has bounds and a sentence.
SELECT name FROM pg_settings
WHERE name LIKE 'dfsmr.%' AND (coalesce(short_desc, '') = '' OR (vartype = 'integer' AND max_val IS NULL));
