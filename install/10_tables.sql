-- The tables: the truth.  Nobody but the owner has rights on them; users see
-- the views.  docs/architecture.md says why columns and indexes are so.

-- One row: who this installation is.  Not dumped, so a restored database is
-- another one, and cursors into the old changelog are refused there.
CREATE TABLE dfsmr.installation (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id        uuid NOT NULL DEFAULT gen_random_uuid(),
    published text,         -- how far the changelog is published, saved now and then
    created   timestamptz NOT NULL DEFAULT now()
);
INSERT INTO dfsmr.installation DEFAULT VALUES;
COMMENT ON TABLE dfsmr.installation IS 'identity of this installation and its publication cursor; one row, not dumped';

-- Machine versions, immutable.
CREATE TABLE dfsmr.machine_version (
    machine    text COLLATE "C" NOT NULL,
    version    integer NOT NULL CHECK (version > 0),
    definition text NOT NULL,       -- as given
    canonical  text NOT NULL,       -- what it means, for comparison
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    PRIMARY KEY (machine, version)
);
COMMENT ON TABLE dfsmr.machine_version IS 'accepted definitions; a version never changes';

-- What pause() stopped; node '' is the whole machine.
CREATE TABLE dfsmr.pause (
    machine text COLLATE "C" NOT NULL,
    node    text COLLATE "C" NOT NULL,
    reason  text,
    since   timestamptz NOT NULL,
    by_role text NOT NULL,
    PRIMARY KEY (machine, node)
);
COMMENT ON TABLE dfsmr.pause IS 'paused machines and nodes; an empty node means the whole machine';

-- Instances that are not finished.  With the change that finishes it an instance
-- leaves this table, and that change carries what else is known of it: so finished
-- work goes with the changelog, by emptying tables, and this one stays small.  Only
-- those that finish and go on holding their key stay.
--
-- Columns of fixed width come first, to need no padding; what is
-- usually null comes behind what is indexed, so that an update, which compares
-- the latter, finds it at a known place.  Most rows get a second version:
-- table and primary key have room for that, so it is near the first, which makes
-- its record in the log short, and no page has to be cleaned or split for it.
CREATE TABLE dfsmr.instance (
    id              uuid NOT NULL,
    version         integer NOT NULL,
    visit           integer NOT NULL,       -- node entries, from 1: the fencing token
    attempt         integer NOT NULL,       -- number of the last claim of this visit that has ended, or is held
    failed_attempts integer NOT NULL,       -- claims of this visit that ran out
    deliveries      integer NOT NULL,       -- claims of this instance that have ended, or are held
    neg_priority    integer NOT NULL,       -- negated: keys of the ready order ascend
    change_xid      xid8 NOT NULL DEFAULT '0',          -- the last change of it in the changelog, by its place there;
    change_seq      bigint NOT NULL DEFAULT 0, -- of transaction 0 when it was restored
    kind            "char" NOT NULL,        -- of the node: t task, d timer, p parked, f final; h: a task that is
                                            -- handed out at most once, and is: nobody else is offered it
    retry           boolean NOT NULL,       -- counts as a retry: it ran out, or came out of a retry timer
    delayed         boolean NOT NULL,       -- task that was not due when it was written
    key_held        boolean NOT NULL,       -- no other instance may have this key
    own_priority    boolean NOT NULL,       -- given at start: replaces that of the nodes
    ready_at        timestamptz,            -- task: claimable from; timer, parked, held: moves by itself at (NULL: never)
    entered_at      timestamptz NOT NULL,
    started_at      timestamptz NOT NULL,
    machine         text COLLATE "C" NOT NULL,
    node            text COLLATE "C" NOT NULL,
    key             text COLLATE "C",
    parent          uuid,
    finished_at     timestamptz,
    held_since      timestamptz,            -- kind h: the claim
    prev_node       text COLLATE "C",
    prev_transition text COLLATE "C",
    lane            text COLLATE "C",
    held_by         text COLLATE "C",       -- kind h: the client
    outcome         text COLLATE "C",       -- finished: success or failure
    note            text,
    visits          jsonb,                  -- visits since the last reset of nodes that count them, first entry
                                            -- of those with max_elapsed
    params          jsonb NOT NULL,
    node_params     jsonb NOT NULL,
    data            jsonb NOT NULL,
    CONSTRAINT instance_pkey PRIMARY KEY (id) WITH (fillfactor = 50),
    -- Makes pg_dump restore machine_version first.
    CONSTRAINT instance_machine_fkey FOREIGN KEY (machine, version)
        REFERENCES dfsmr.machine_version (machine, version)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX instance_key ON dfsmr.instance (machine, key) WHERE key_held;
-- No two entries of the other indexes are the same but those of versions of one
-- row, so looking for duplicates whenever a page is full would find none.
-- The order of hand-out within a node, first attempts and retries apart.
CREATE INDEX instance_ready ON dfsmr.instance
    (machine, node, retry, neg_priority, ready_at, id) WITH (deduplicate_items = off) WHERE kind = 't';
-- Tasks that become claimable later: becoming so writes nothing.
CREATE INDEX instance_delayed ON dfsmr.instance (ready_at, id) WITH (deduplicate_items = off) WHERE delayed;
-- What the scheduler fires.
CREATE INDEX instance_timer ON dfsmr.instance (ready_at, id) WITH (deduplicate_items = off)
    WHERE kind IN ('d', 'p', 'h') AND ready_at IS NOT NULL;
COMMENT ON TABLE dfsmr.instance IS
    'instances that are not finished, or hold their key: one row each, rewritten by every transition; no row is written by a claim, unless at most once';

-- The changelog: a ring of members, of which one is written.  Forgetting is
-- emptying the oldest as a whole, which leaves nothing for vacuum.
--
-- The changes of an instance are a chain: its row names the last, and each names
-- the one before, by the place (xid, seq).  So they need no index of their own.
-- Claims are not in the chain, since a claim writes no row.
CREATE SEQUENCE dfsmr.change_seq;
COMMENT ON SEQUENCE dfsmr.change_seq IS 'numbers of changes; drawn before a row is written over the version that was read';
CREATE TABLE dfsmr.change (
    seq         bigint NOT NULL,
    xid         xid8 NOT NULL,      -- top transaction that wrote it; 0: restored, older than all
    at          timestamptz NOT NULL,
    prev_xid    xid8,               -- the instance's change before this one, if any
    prev_seq    bigint,
    claimed_at  timestamptz,
    instance    uuid,
    version     integer,
    visit       integer,
    attempt     integer,
    member      smallint NOT NULL DEFAULT 0,    -- of the ring
    kind        text COLLATE "C" NOT NULL,
    machine     text COLLATE "C" NOT NULL,
    key         text COLLATE "C",
    prev_node   text COLLATE "C",
    transition  text COLLATE "C",
    node        text COLLATE "C",
    client      text,
    role        text,
    note        text,
    node_params jsonb,
    data        jsonb,
    outcome     text COLLATE "C",   -- this change finished the instance: success or failure
    -- And the instance left its table; what else it was:
    finished_at timestamptz,
    started_at  timestamptz,
    deliveries  integer,
    priority    integer,
    parent      uuid,
    lane        text COLLATE "C",
    last_note   text,
    params      jsonb,              -- not NULL when it left
    last_node_params jsonb,
    last_data   jsonb,
    -- For whoever writes by hand: what is read of a finished instance is there.
    CONSTRAINT change_left CHECK (params IS NULL OR num_nulls(
        outcome, instance, node, version, visit, deliveries, priority, started_at,
        finished_at, last_node_params, last_data) = 0)
) PARTITION BY LIST (member);
-- Numbers come from the sequence: nothing has to be checked for uniqueness.
CREATE INDEX change_position ON dfsmr.change (xid, seq) WITH (deduplicate_items = off);
-- What is looked for by its instance: the end of a chain that no row names any
-- more, and what is in no chain.
CREATE INDEX change_instance ON dfsmr.change (instance, seq) WITH (deduplicate_items = off)
    WHERE outcome IS NOT NULL OR kind = 'claim' OR instance IS NULL;
CREATE TABLE dfsmr.change_0 PARTITION OF dfsmr.change FOR VALUES IN (0);
CREATE TABLE dfsmr.change_1 PARTITION OF dfsmr.change FOR VALUES IN (1);
CREATE TABLE dfsmr.change_2 PARTITION OF dfsmr.change FOR VALUES IN (2);
CREATE TABLE dfsmr.change_3 PARTITION OF dfsmr.change FOR VALUES IN (3);
CREATE TABLE dfsmr.change_4 PARTITION OF dfsmr.change FOR VALUES IN (4);
CREATE TABLE dfsmr.change_5 PARTITION OF dfsmr.change FOR VALUES IN (5);
CREATE TABLE dfsmr.change_6 PARTITION OF dfsmr.change FOR VALUES IN (6);
CREATE TABLE dfsmr.change_7 PARTITION OF dfsmr.change FOR VALUES IN (7);
COMMENT ON TABLE dfsmr.change IS 'the changelog: one row per change, written in the transaction that made it';
COMMENT ON TABLE dfsmr.change_0 IS 'a member of the changelog''s ring';
COMMENT ON TABLE dfsmr.change_1 IS 'a member of the changelog''s ring';
COMMENT ON TABLE dfsmr.change_2 IS 'a member of the changelog''s ring';
COMMENT ON TABLE dfsmr.change_3 IS 'a member of the changelog''s ring';
COMMENT ON TABLE dfsmr.change_4 IS 'a member of the changelog''s ring';
COMMENT ON TABLE dfsmr.change_5 IS 'a member of the changelog''s ring';
COMMENT ON TABLE dfsmr.change_6 IS 'a member of the changelog''s ring';
COMMENT ON TABLE dfsmr.change_7 IS 'a member of the changelog''s ring';

-- The turns of the ring, one row for each member: which is written since when
-- (the latest; no row means member 0 since the beginning), and what number had
-- been drawn by then.  In dumps, so that a restored ring goes on where it was.
CREATE TABLE dfsmr.change_turn (
    member smallint NOT NULL,
    since  timestamptz NOT NULL,
    seq    bigint NOT NULL
);
COMMENT ON TABLE dfsmr.change_turn IS 'since when and from which number on members of the changelog are written';

-- What was forgotten has numbers and transactions up to these.  Not in dumps:
-- transactions mean nothing elsewhere.
CREATE TABLE dfsmr.change_forgotten (
    seq bigint NOT NULL,
    xid xid8 NOT NULL
);
COMMENT ON TABLE dfsmr.change_forgotten IS 'up to which number and transaction changes were forgotten';

-- How long the work of a node takes: sketches of quantiles, saved now and then
-- by the scheduler.  What is on the board is newer; a row that cannot be read
-- counts as none.  Dumped, so that a restored database need not learn anew.
CREATE TABLE dfsmr.node_duration (
    machine  text COLLATE "C" NOT NULL,
    node     text COLLATE "C" NOT NULL,
    saved_at timestamptz NOT NULL,
    sketch   bytea NOT NULL,
    PRIMARY KEY (machine, node)
);
COMMENT ON TABLE dfsmr.node_duration IS 'what was learnt of how long the work of each node takes, saved now and then';

-- Who may do what; see 70_privileges.sql.  A role is known by its OID: a grant
-- to a role that was dropped is worth nothing, also when the name comes back.
-- The name is what a dump carries; the OID is looked up again on restore.
CREATE TABLE dfsmr.privilege (
    role_name text COLLATE "C" NOT NULL,
    role      oid NOT NULL,
    machine   text COLLATE "C" NOT NULL,    -- '' is all machines
    privilege text COLLATE "C" NOT NULL CHECK (privilege IN ('admin', 'start', 'work', 'signal', 'read')),
    PRIMARY KEY (role_name, role, machine, privilege)
);
COMMENT ON TABLE dfsmr.privilege IS 'grants per machine; an empty machine means all';

SELECT pg_catalog.pg_extension_config_dump('dfsmr.machine_version', '');
SELECT pg_catalog.pg_extension_config_dump('dfsmr.pause', '');
SELECT pg_catalog.pg_extension_config_dump('dfsmr.instance', '');
SELECT pg_catalog.pg_extension_config_dump('dfsmr.change_0', '');
SELECT pg_catalog.pg_extension_config_dump('dfsmr.change_1', '');
SELECT pg_catalog.pg_extension_config_dump('dfsmr.change_2', '');
SELECT pg_catalog.pg_extension_config_dump('dfsmr.change_3', '');
SELECT pg_catalog.pg_extension_config_dump('dfsmr.change_4', '');
SELECT pg_catalog.pg_extension_config_dump('dfsmr.change_5', '');
SELECT pg_catalog.pg_extension_config_dump('dfsmr.change_6', '');
SELECT pg_catalog.pg_extension_config_dump('dfsmr.change_7', '');
SELECT pg_catalog.pg_extension_config_dump('dfsmr.change_turn', '');
SELECT pg_catalog.pg_extension_config_dump('dfsmr.change_seq', '');
SELECT pg_catalog.pg_extension_config_dump('dfsmr.node_duration', '');
-- Not what a dropped role had, which would come back to life with its name.
SELECT pg_catalog.pg_extension_config_dump('dfsmr.privilege',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid = role AND r.rolname = role_name)');
