-- What an application would write by hand to keep a state and its log: one row
-- per item, updated by key, and one row of log per update.
CREATE SCHEMA reference;
CREATE TABLE reference.item (
    id         uuid PRIMARY KEY,
    node       text NOT NULL,
    visit      integer NOT NULL,
    entered_at timestamptz NOT NULL,
    data       jsonb NOT NULL
);
CREATE TABLE reference.log (
    seq   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at    timestamptz NOT NULL,
    item  uuid NOT NULL,
    node  text NOT NULL,
    visit integer NOT NULL
);
