-- What CREATE EXTENSION makes: all of it belongs to the extension, is
-- commented, and is nobody's but the owner's.  Empty answers are right ones.

CREATE TEMPORARY VIEW member AS
    SELECT classid, objid, (pg_identify_object(classid, objid, 0)).*
    FROM pg_depend
    WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
      AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'dfsmr');

-- The schema is a member: it was made by the script and goes with it.
SELECT type, identity FROM member WHERE type = 'schema';

-- Objects in the schema that are not members, or members elsewhere.
SELECT 'relation' AS what, relname AS name FROM pg_class c
WHERE relnamespace = 'dfsmr'::regnamespace AND relkind IN ('r', 'v', 'S', 'c', 'm', 'p')
  AND NOT EXISTS (SELECT FROM member m WHERE m.objid = c.oid)
UNION ALL
SELECT 'function', oid::regprocedure::text FROM pg_proc p
WHERE pronamespace = 'dfsmr'::regnamespace
  AND NOT EXISTS (SELECT FROM member m WHERE m.objid = p.oid)
UNION ALL
SELECT type, identity FROM member
WHERE coalesce(schema, 'dfsmr') <> 'dfsmr'
ORDER BY 1, 2;

-- Without a comment.  (Row types have that of their table; the implicit
-- objects of a table none.)
SELECT type, identity FROM member
WHERE type IN ('schema', 'table', 'view', 'sequence', 'function', 'composite type', 'type')
  AND coalesce(obj_description(objid, classid::regclass::name), '') = ''
  AND NOT (type LIKE '%type' AND EXISTS
           (SELECT FROM pg_type t
            LEFT JOIN pg_class c ON c.oid = t.typrelid
            LEFT JOIN pg_type e ON e.oid = t.typelem
            WHERE t.oid = objid AND (c.relkind IN ('r', 'v') OR e.oid IS NOT NULL OR obj_description(c.oid, 'pg_class') <> '')))
ORDER BY 1, 2;

-- Granted to PUBLIC: nothing.  (A function whose ACL is the default one is.)
SELECT oid::regprocedure AS for_public FROM pg_proc
WHERE pronamespace = 'dfsmr'::regnamespace
  AND EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) a WHERE a.grantee = 0)
UNION ALL
SELECT oid::regclass FROM pg_class
WHERE relnamespace = 'dfsmr'::regnamespace
  AND EXISTS (SELECT FROM aclexplode(relacl) a WHERE a.grantee = 0)
UNION ALL
SELECT oid FROM pg_namespace
WHERE nspname = 'dfsmr'
  AND EXISTS (SELECT FROM aclexplode(nspacl) a WHERE a.grantee = 0);

-- Functions of the owner's rights with a search path that callers could bend.
SELECT oid::regprocedure AS bendable FROM pg_proc
WHERE pronamespace = 'dfsmr'::regnamespace AND prosecdef
  AND NOT coalesce(proconfig::text LIKE '%search_path=%', false);

-- Functions that change something and might run in a parallel worker.
SELECT oid::regprocedure AS too_parallel FROM pg_proc
WHERE pronamespace = 'dfsmr'::regnamespace AND provolatile = 'v' AND proparallel = 's';

-- Every setting has bounds and a sentence.
SELECT name FROM pg_settings
WHERE name LIKE 'dfsmr.%' AND (coalesce(short_desc, '') = '' OR (vartype = 'integer' AND max_val IS NULL));
