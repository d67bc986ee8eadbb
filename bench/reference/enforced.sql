-- Three tables of orders: without a trigger, with the check as one would write it
-- in PL/pgSQL, and with enforce().
CREATE TABLE plain (id integer PRIMARY KEY, status text NOT NULL, amount integer NOT NULL)
    WITH (fillfactor = 50);
CREATE TABLE checked (LIKE plain INCLUDING ALL) WITH (fillfactor = 50);
CREATE TABLE enforced (LIKE plain INCLUDING ALL) WITH (fillfactor = 50);

CREATE TABLE allowed (from_node text, to_node text, PRIMARY KEY (from_node, to_node));
INSERT INTO allowed VALUES ('a', 'b'), ('b', 'a');
CREATE FUNCTION check_edge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'a' THEN
            RAISE check_violation USING MESSAGE = format('%s is not the start', NEW.status);
        END IF;
    ELSIF NEW.status IS DISTINCT FROM OLD.status THEN
        IF NOT EXISTS (SELECT FROM allowed WHERE from_node = OLD.status AND to_node = NEW.status) THEN
            RAISE check_violation USING MESSAGE = format('no way from %s to %s', OLD.status, NEW.status);
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER checked BEFORE INSERT OR UPDATE ON checked
    FOR EACH ROW EXECUTE FUNCTION check_edge();
CREATE TRIGGER enforced BEFORE INSERT OR UPDATE ON enforced
    FOR EACH ROW EXECUTE FUNCTION dfsmr.enforce('flip', 'status');
