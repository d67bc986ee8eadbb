-- The textbook queue: a row per job, claimed with FOR UPDATE SKIP LOCKED in one
-- statement, finished by an UPDATE in another.  No history.
CREATE SCHEMA queue;
CREATE TABLE queue.job (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    status      text NOT NULL DEFAULT 'ready',
    priority    integer NOT NULL DEFAULT 0,
    run_at      timestamptz NOT NULL DEFAULT now(),
    attempts    integer NOT NULL DEFAULT 0,
    claimed_by  text,
    claimed_at  timestamptz,
    finished_at timestamptz,
    payload     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX job_ready ON queue.job (priority DESC, run_at, id) WHERE status = 'ready';
