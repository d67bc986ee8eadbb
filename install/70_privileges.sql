-- Privileges: given per machine, or for all machines (NULL, the default).
--
--   read    sees the machine and its instances and changes; comes with any other
--   signal  signal()
--   work    ready(), transition(), relinquish(), heartbeat()
--   start   start()
--   admin   all of these, and define(), move(), abort(), pause(), resume() ...
--
-- An admin of a machine gives and takes what is below admin on that machine;
-- admin itself, and anything for all machines, is given by admins of all, the
-- owner of the extension and superusers.  A role is known by its OID, so a
-- role that is dropped and made again starts with nothing.
--
-- grant_...: also grants USAGE on the schema, EXECUTE on the functions and
-- SELECT on the views that the role needs.  Granting twice is no error.
-- revoke_...: takes the privilege on that machine, or (NULL) wherever the role
-- has it, and what SQL rights the role then needs no more.  It is no error
-- when there was nothing to take.
--
-- Errors: 42501 when the caller may not, 42704 unknown role, SM001 unknown
-- machine, 22004 when the role is NULL.

CREATE FUNCTION dfsmr.grant_read(role text, machine text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'dfsmr_grant_read'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dfsmr.grant_read(text, text) IS
    'let a role see the machine, its instances and its changes; without a machine: of all machines';

CREATE FUNCTION dfsmr.grant_signal(role text, machine text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'dfsmr_grant_signal'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dfsmr.grant_signal(text, text) IS
    'let a role signal instances; without a machine: of all machines';

CREATE FUNCTION dfsmr.grant_work(role text, machine text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'dfsmr_grant_work'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dfsmr.grant_work(text, text) IS
    'let a role claim and complete tasks; without a machine: of all machines';

CREATE FUNCTION dfsmr.grant_start(role text, machine text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'dfsmr_grant_start'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dfsmr.grant_start(text, text) IS
    'let a role start instances; without a machine: of all machines';

CREATE FUNCTION dfsmr.grant_admin(role text, machine text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'dfsmr_grant_admin'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dfsmr.grant_admin(text, text) IS
    'let a role define and operate, and everything else; without a machine: of all machines';

CREATE FUNCTION dfsmr.revoke_read(role text, machine text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'dfsmr_revoke_read'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dfsmr.revoke_read(text, text) IS
    'no longer let a role see the machine, its instances and its changes; without a machine: of any machine';

CREATE FUNCTION dfsmr.revoke_signal(role text, machine text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'dfsmr_revoke_signal'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dfsmr.revoke_signal(text, text) IS
    'no longer let a role signal instances; without a machine: of any machine';

CREATE FUNCTION dfsmr.revoke_work(role text, machine text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'dfsmr_revoke_work'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dfsmr.revoke_work(text, text) IS
    'no longer let a role claim and complete tasks; without a machine: of any machine';

CREATE FUNCTION dfsmr.revoke_start(role text, machine text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'dfsmr_revoke_start'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dfsmr.revoke_start(text, text) IS
    'no longer let a role start instances; without a machine: of any machine';

CREATE FUNCTION dfsmr.revoke_admin(role text, machine text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'dfsmr_revoke_admin'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dfsmr.revoke_admin(text, text) IS
    'no longer let a role define and operate, and everything else; without a machine: of any machine';
