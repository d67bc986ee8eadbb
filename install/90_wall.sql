-- The wall: triggers that hold whoever writes to the tables by SQL, the owner
-- and superusers too, and ENABLE ALWAYS, so that session_replication_role does
-- not open it.  The functions of this schema write past them.
--
-- pg_dump restores into tables that have these already: a row is inserted as
-- it was dumped, with what a new database has to know differently put right.

CREATE FUNCTION dfsmr.wall_instance() RETURNS trigger
    AS 'MODULE_PATHNAME', 'dfsmr_wall_instance'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION dfsmr.wall_instance() IS
    'trigger function of dfsmr.instance: an instance moves along edges, whoever writes';

CREATE FUNCTION dfsmr.wall_change() RETURNS trigger
    AS 'MODULE_PATHNAME', 'dfsmr_wall_change'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION dfsmr.wall_change() IS
    'trigger function of dfsmr.change: restored changes are older than all others';

CREATE FUNCTION dfsmr.wall_privilege() RETURNS trigger
    AS 'MODULE_PATHNAME', 'dfsmr_wall_privilege'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION dfsmr.wall_privilege() IS
    'trigger function of dfsmr.privilege: a restored row is for the role of that name';

CREATE FUNCTION dfsmr.wall_note() RETURNS trigger
    AS 'MODULE_PATHNAME', 'dfsmr_wall_note'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION dfsmr.wall_note() IS
    'trigger function: tells all sessions that what they keep of the table is out of date';

CREATE FUNCTION dfsmr.wall_refuse() RETURNS trigger
    AS 'MODULE_PATHNAME', 'dfsmr_wall_refuse'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION dfsmr.wall_refuse() IS
    'trigger function: refuses what it is fired by';

CREATE FUNCTION dfsmr.wall_forget() RETURNS trigger
    AS 'MODULE_PATHNAME', 'dfsmr_wall_forget'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION dfsmr.wall_forget() IS
    'trigger function: refuses TRUNCATE but where old changes are forgotten';

-- Instances.  Finished ones, which are here as they hold their key, may be
-- deleted.  The trigger looks the version up;
-- it does what the foreign key would, which is there to say in which order a
-- dump is restored, but is not heeded by pg_restore with several jobs.
ALTER TABLE dfsmr.instance DISABLE TRIGGER ALL;
CREATE TRIGGER wall BEFORE INSERT OR UPDATE OR DELETE ON dfsmr.instance
    FOR EACH ROW EXECUTE FUNCTION dfsmr.wall_instance();
CREATE TRIGGER wall_truncate BEFORE TRUNCATE ON dfsmr.instance
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_refuse();
ALTER TABLE dfsmr.instance ENABLE ALWAYS TRIGGER wall;
ALTER TABLE dfsmr.instance ENABLE ALWAYS TRIGGER wall_truncate;

-- Machine versions never change.
CREATE TRIGGER wall BEFORE UPDATE OR DELETE ON dfsmr.machine_version
    FOR EACH ROW EXECUTE FUNCTION dfsmr.wall_refuse();
CREATE TRIGGER wall_note BEFORE INSERT ON dfsmr.machine_version
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_note();
CREATE TRIGGER wall_truncate BEFORE TRUNCATE ON dfsmr.machine_version
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_refuse();
ALTER TABLE dfsmr.machine_version ENABLE ALWAYS TRIGGER wall;
ALTER TABLE dfsmr.machine_version ENABLE ALWAYS TRIGGER wall_note;
ALTER TABLE dfsmr.machine_version ENABLE ALWAYS TRIGGER wall_truncate;

-- The changelog is only added to.  Triggers of rows are on its members too.
CREATE TRIGGER wall BEFORE UPDATE OR DELETE ON dfsmr.change
    FOR EACH ROW EXECUTE FUNCTION dfsmr.wall_refuse();
CREATE TRIGGER wall_restored BEFORE INSERT ON dfsmr.change
    FOR EACH ROW EXECUTE FUNCTION dfsmr.wall_change();
CREATE TRIGGER wall_truncate BEFORE TRUNCATE ON dfsmr.change
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_refuse();
ALTER TABLE dfsmr.change ENABLE ALWAYS TRIGGER wall;
ALTER TABLE dfsmr.change ENABLE ALWAYS TRIGGER wall_restored;
ALTER TABLE dfsmr.change ENABLE ALWAYS TRIGGER wall_truncate;
CREATE TRIGGER wall_truncate BEFORE TRUNCATE ON dfsmr.change_0
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_forget();
ALTER TABLE dfsmr.change_0 ENABLE ALWAYS TRIGGER wall_truncate;
CREATE TRIGGER wall_truncate BEFORE TRUNCATE ON dfsmr.change_1
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_forget();
ALTER TABLE dfsmr.change_1 ENABLE ALWAYS TRIGGER wall_truncate;
CREATE TRIGGER wall_truncate BEFORE TRUNCATE ON dfsmr.change_2
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_forget();
ALTER TABLE dfsmr.change_2 ENABLE ALWAYS TRIGGER wall_truncate;
CREATE TRIGGER wall_truncate BEFORE TRUNCATE ON dfsmr.change_3
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_forget();
ALTER TABLE dfsmr.change_3 ENABLE ALWAYS TRIGGER wall_truncate;
CREATE TRIGGER wall_truncate BEFORE TRUNCATE ON dfsmr.change_4
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_forget();
ALTER TABLE dfsmr.change_4 ENABLE ALWAYS TRIGGER wall_truncate;
CREATE TRIGGER wall_truncate BEFORE TRUNCATE ON dfsmr.change_5
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_forget();
ALTER TABLE dfsmr.change_5 ENABLE ALWAYS TRIGGER wall_truncate;
CREATE TRIGGER wall_truncate BEFORE TRUNCATE ON dfsmr.change_6
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_forget();
ALTER TABLE dfsmr.change_6 ENABLE ALWAYS TRIGGER wall_truncate;
CREATE TRIGGER wall_truncate BEFORE TRUNCATE ON dfsmr.change_7
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_forget();
ALTER TABLE dfsmr.change_7 ENABLE ALWAYS TRIGGER wall_truncate;

-- Pauses.
CREATE TRIGGER wall_note BEFORE INSERT OR UPDATE OR DELETE ON dfsmr.pause
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_note();
CREATE TRIGGER wall_truncate BEFORE TRUNCATE ON dfsmr.pause
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_refuse();
ALTER TABLE dfsmr.pause ENABLE ALWAYS TRIGGER wall_note;
ALTER TABLE dfsmr.pause ENABLE ALWAYS TRIGGER wall_truncate;

-- Privileges.  An UPDATE could bring a grant to a dropped role back to life.
CREATE TRIGGER wall BEFORE UPDATE ON dfsmr.privilege
    FOR EACH ROW EXECUTE FUNCTION dfsmr.wall_refuse();
CREATE TRIGGER wall_restored BEFORE INSERT ON dfsmr.privilege
    FOR EACH ROW EXECUTE FUNCTION dfsmr.wall_privilege();
CREATE TRIGGER wall_note BEFORE INSERT OR DELETE ON dfsmr.privilege
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_note();
CREATE TRIGGER wall_truncate BEFORE TRUNCATE ON dfsmr.privilege
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_refuse();
ALTER TABLE dfsmr.privilege ENABLE ALWAYS TRIGGER wall;
ALTER TABLE dfsmr.privilege ENABLE ALWAYS TRIGGER wall_restored;
ALTER TABLE dfsmr.privilege ENABLE ALWAYS TRIGGER wall_note;
ALTER TABLE dfsmr.privilege ENABLE ALWAYS TRIGGER wall_truncate;

-- The one row that says which installation this is.
CREATE TRIGGER wall BEFORE DELETE ON dfsmr.installation
    FOR EACH ROW EXECUTE FUNCTION dfsmr.wall_refuse();
CREATE TRIGGER wall_truncate BEFORE TRUNCATE ON dfsmr.installation
    FOR EACH STATEMENT EXECUTE FUNCTION dfsmr.wall_refuse();
ALTER TABLE dfsmr.installation ENABLE ALWAYS TRIGGER wall;
ALTER TABLE dfsmr.installation ENABLE ALWAYS TRIGGER wall_truncate;

-- Nothing to PUBLIC: grant_...() gives what a role needs.
REVOKE ALL ON ALL ROUTINES IN SCHEMA dfsmr FROM PUBLIC;
REVOKE ALL ON TYPE dfsmr.task FROM PUBLIC;
