-- The textbook state machine in PL/pgSQL: edges in a table, a function that
-- locks the row, looks the edge up, updates, keeps a history, and notifies in
-- its transaction, so that listeners hear of it.
CREATE SCHEMA textbook;
CREATE TABLE textbook.edge (
    from_node  text NOT NULL,
    transition text NOT NULL,
    to_node    text NOT NULL,
    PRIMARY KEY (from_node, transition)
);
INSERT INTO textbook.edge VALUES ('a', 'go', 'b'), ('b', 'go', 'a');
CREATE TABLE textbook.item (
    id         uuid PRIMARY KEY,
    node       text NOT NULL,
    visit      integer NOT NULL,
    entered_at timestamptz NOT NULL,
    data       jsonb NOT NULL
);
CREATE TABLE textbook.history (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    item       uuid NOT NULL,
    prev_node  text NOT NULL,
    transition text NOT NULL,
    node       text NOT NULL,
    visit      integer NOT NULL
);
CREATE FUNCTION textbook.transition(item_id uuid, transition_name text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    old textbook.item;
    target text;
BEGIN
    SELECT * INTO old FROM textbook.item WHERE id = item_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'item % does not exist', item_id;
    END IF;
    SELECT to_node INTO target FROM textbook.edge
    WHERE from_node = old.node AND transition = transition_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no transition % from %', transition_name, old.node;
    END IF;
    UPDATE textbook.item SET node = target, visit = visit + 1, entered_at = now()
    WHERE id = item_id;
    INSERT INTO textbook.history (at, item, prev_node, transition, node, visit)
    VALUES (now(), item_id, old.node, transition_name, target, old.visit + 1);
    PERFORM pg_notify('textbook', json_build_object('item', item_id, 'prev_node', old.node,
        'transition', transition_name, 'node', target, 'visit', old.visit + 1)::text);
    RETURN target;
END $$;
