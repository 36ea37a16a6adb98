-- Version 1 of the tables and functions of an outbox, in a schema of their own. A version that was released is never changed.
-- Whoever locks names, such as lanes, and rows locks the names first, all at once and in one order, so that nobody waits in a circle.
CREATE TABLE outbox (version int NOT NULL, key_salt bytea NOT NULL);
INSERT INTO outbox VALUES (1, uuid_send(gen_random_uuid()));
CREATE TABLE entries (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue         text COLLATE "C" NOT NULL,   -- who works on it: `outbox`, or a bot
    key           text,                        -- NULL once the texts are blanked
    key_hash      bytea NOT NULL UNIQUE,       -- SHA-256 of the salt and the key
    lane          text COLLATE "C" NOT NULL,   -- entries of one lane of a queue are handed out in order
    phase         text COLLATE "C" NOT NULL,   -- open: waiting, sending; closed: sent, doubled, rejected, uncertain, discarded, failed
    request       text NOT NULL,
    progress      text NOT NULL DEFAULT '',
    not_before    timestamptz,
    created_at    timestamptz NOT NULL,
    closed_at     timestamptz,                 -- NULL while it is open
    claimed_until timestamptz,                 -- somebody works on it until then
    fence         bigint NOT NULL DEFAULT 0,   -- how often it was claimed
    is_next       boolean NOT NULL,            -- the first open entry of its lane, or a closed one to look at again
    due_at        timestamptz GENERATED ALWAYS AS ( -- when it can be claimed
        CASE WHEN is_next THEN coalesce(greatest(claimed_until, not_before), created_at) END) STORED
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX ON entries (queue, lane, phase, id);
CREATE INDEX ON entries (queue, lane, id) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX ON entries (queue, lane) WHERE is_next AND closed_at IS NULL;
CREATE INDEX ON entries (queue, phase, id) WHERE phase <> 'sent';
CREATE INDEX ON entries (queue, closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX ON entries (queue, closed_at) WHERE closed_at IS NOT NULL AND key IS NOT NULL;
CREATE INDEX ON entries (queue, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX ON entries (queue, due_at, id) WHERE due_at IS NOT NULL AND not_before IS NULL AND claimed_until IS NULL;
CREATE TABLE notes (
    key   text COLLATE "C" PRIMARY KEY,
    text  text NOT NULL,
    until timestamptz                          -- it is not read any more from then on; NULL if it is kept until it is replaced
);
CREATE INDEX ON notes (until) WHERE until IS NOT NULL;

CREATE FUNCTION hash(_key text) RETURNS bytea AS $$
    SELECT sha256(key_salt || convert_to(_key, 'UTF8')) FROM outbox
$$ LANGUAGE sql STABLE;

-- The time, once this transaction has the names, such as lanes with their queues: without its lane, the higher of two ids could be
-- committed, and handed out, before the lower. Its commit waits for the disk, whatever is set for this user.
CREATE FUNCTION ready(_names text[], _at timestamptz) RETURNS timestamptz AS $$
DECLARE _lock bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE 'it needs READ COMMITTED: set no other default_transaction_isolation for this user' USING ERRCODE = 'KW001';
    ELSIF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'local', true);
    END IF;
    FOR _lock IN SELECT DISTINCT hashtextextended(name, 'entries'::regclass::oid::bigint) AS hash FROM unnest(_names) AS name
        ORDER BY hash LOOP PERFORM pg_advisory_xact_lock(_lock); END LOOP;
    RETURN coalesce(_at, clock_timestamp());
END $$ LANGUAGE plpgsql;

-- Finds the next entry of a lane that this transaction has. One that was claimed stays the next.
CREATE FUNCTION order_lane(_queue text, _lane text) RETURNS void AS $$
BEGIN
    UPDATE entries SET is_next = false
        WHERE queue = _queue AND lane = _lane AND is_next AND closed_at IS NULL AND claimed_until IS NULL;
    UPDATE entries SET is_next = true
        WHERE id = (SELECT id FROM entries WHERE queue = _queue AND lane = _lane AND closed_at IS NULL ORDER BY id LIMIT 1)
            AND NOT EXISTS (SELECT FROM entries WHERE queue = _queue AND lane = _lane AND is_next AND closed_at IS NULL);
END $$ LANGUAGE plpgsql;

-- The entry with the key, and whether it is new.
CREATE FUNCTION enqueue(_queue text, _key text, _lane text, _request text, _not_before timestamptz, _at timestamptz,
    OUT entry entries, OUT is_new boolean) AS $$
DECLARE _now timestamptz;
BEGIN
    LOOP
        SELECT * INTO entry FROM entries WHERE key_hash = hash(_key);
        is_new := NOT FOUND;
        EXIT WHEN FOUND;
        _now := ready(ARRAY[_queue || ' ' || _lane], _at);
        INSERT INTO entries (queue, key, key_hash, lane, phase, request, not_before, created_at, is_next)
            VALUES (_queue, _key, hash(_key), _lane, 'waiting', _request, _not_before, _now,
                NOT EXISTS (SELECT FROM entries WHERE queue = _queue AND lane = _lane AND closed_at IS NULL))
            ON CONFLICT (key_hash) DO NOTHING RETURNING * INTO entry;
        EXIT WHEN FOUND;
    END LOOP;
    -- Commits that notify wait for each other, so only what can be claimed at once does.
    IF is_new AND entry.due_at <= _now THEN PERFORM pg_notify(current_schema(), ''); END IF;
END $$ LANGUAGE plpgsql;

-- The claimed entry, or in how many microseconds to ask again; neither if there is nothing to do.
CREATE FUNCTION claim(_queue text, _lease bigint, _at timestamptz, OUT entry entries, OUT wait bigint) AS $$
DECLARE _now timestamptz := ready(NULL, _at); _id bigint; _due timestamptz;
BEGIN
    SELECT due_at INTO _due FROM entries WHERE queue = _queue AND due_at IS NOT NULL ORDER BY due_at, id LIMIT 1;
    IF NOT FOUND THEN RETURN; END IF;
    SELECT id INTO _id FROM entries WHERE queue = _queue AND due_at <= _now ORDER BY due_at, id LIMIT 1
        FOR UPDATE SKIP LOCKED;
    IF _id IS NULL THEN
        -- What has no time is due, also if the clock was set back since it was added.
        SELECT id INTO _id FROM entries
            WHERE queue = _queue AND due_at IS NOT NULL AND not_before IS NULL AND claimed_until IS NULL
            ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED;
    END IF;
    UPDATE entries SET fence = fence + 1, claimed_until = _now + _lease * interval '1 microsecond'
        WHERE id = _id RETURNING * INTO entry;
    -- At once, if others are about to claim what is due.
    IF _id IS NULL THEN wait := greatest(extract(epoch FROM _due - _now) * 1000000, 0); END IF;
END $$ LANGUAGE plpgsql;

CREATE FUNCTION renew(_id bigint, _fence bigint, _lease bigint, _at timestamptz) RETURNS boolean AS $$
DECLARE _now timestamptz := ready(NULL, _at);
BEGIN
    UPDATE entries SET claimed_until = _now + _lease * interval '1 microsecond'
        WHERE id = _id AND fence = _fence AND claimed_until > _now;
    RETURN FOUND;
END $$ LANGUAGE plpgsql;

CREATE FUNCTION change(_id bigint, _fence bigint, _phase text, _is_open boolean, _progress text, _wait bigint, _keep boolean,
    _at timestamptz) RETURNS boolean AS $$
DECLARE
    _queue text := (SELECT queue FROM entries WHERE id = _id);
    _lane text := (SELECT lane FROM entries WHERE id = _id);
    _now timestamptz := ready(ARRAY[_queue || ' ' || _lane], _at);
    _not_before timestamptz := _now + _wait * interval '1 microsecond';
BEGIN
    UPDATE entries SET phase = _phase, progress = _progress, not_before = _not_before,
            closed_at = CASE WHEN NOT _is_open THEN _now END,
            claimed_until = CASE WHEN _is_open AND _keep THEN claimed_until END,
            is_next = CASE WHEN _is_open THEN is_next AND closed_at IS NULL ELSE _not_before IS NOT NULL END
        WHERE id = _id AND fence = _fence AND claimed_until > _now;
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM order_lane(_queue, _lane);
    RETURN true;
END $$ LANGUAGE plpgsql;

-- Changes a claimed entry, unless there is no _id, writes notes, and adds entries, of which each has its place in the arrays.
CREATE FUNCTION commit(_id bigint, _fence bigint, _phase text, _is_open boolean, _progress text, _wait bigint,
    _notes text[], _texts text[], _keeps bigint[],
    _queues text[], _keys text[], _lanes text[], _requests text[], _not_befores timestamptz[], _at timestamptz) RETURNS boolean AS $$
DECLARE
    _now timestamptz := ready(_notes || _keys || ARRAY(SELECT queue || ' ' || lane FROM unnest(_queues, _lanes) AS e (queue, lane)
        UNION ALL SELECT queue || ' ' || lane FROM entries WHERE id = _id), _at);
BEGIN
    IF _id IS NOT NULL AND NOT change(_id, _fence, _phase, _is_open, _progress, _wait, false, _now) THEN RETURN false; END IF;
    FOR i IN 1 .. cardinality(_notes) LOOP
        DELETE FROM notes WHERE key = _notes[i];
        INSERT INTO notes SELECT _notes[i], _texts[i], _now + _keeps[i] * interval '1 microsecond' WHERE _texts[i] IS NOT NULL;
    END LOOP;
    FOR i IN 1 .. cardinality(_keys) LOOP
        PERFORM enqueue(_queues[i], _keys[i], _lanes[i], _requests[i], _not_befores[i], _now);
    END LOOP;
    RETURN true;
END $$ LANGUAGE plpgsql;

CREATE FUNCTION decide(_key text, _from text[], _to text, _is_open boolean, _at timestamptz) RETURNS boolean AS $$
DECLARE
    _queue text := (SELECT queue FROM entries WHERE key_hash = hash(_key));
    _lane text := (SELECT lane FROM entries WHERE key_hash = hash(_key));
    _now timestamptz := ready(ARRAY[_queue || ' ' || _lane], _at);
BEGIN
    UPDATE entries SET phase = _to, not_before = NULL, claimed_until = NULL, is_next = false,
            closed_at = CASE WHEN NOT _is_open THEN _now END
        WHERE key_hash = hash(_key) AND phase = ANY(_from) AND coalesce(claimed_until <= _now, true);
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM order_lane(_queue, _lane), pg_notify(current_schema(), '');
    RETURN true;
END $$ LANGUAGE plpgsql;

-- Blanks what was closed so long ago, or deletes it, and notes whose time is over. What is locked is left to who has locked it.
CREATE FUNCTION clean(_queue text, _age bigint, _forget boolean, _at timestamptz) RETURNS bigint AS $$
DECLARE _now timestamptz := ready(NULL, _at); _ids bigint[];
BEGIN
    _ids := ARRAY(SELECT id FROM entries
        WHERE queue = _queue AND closed_at <= _now - _age * interval '1 microsecond' AND NOT is_next
            AND phase NOT IN ('uncertain', 'doubled', 'failed') AND (_forget OR key IS NOT NULL)
        FOR UPDATE SKIP LOCKED);
    DELETE FROM entries WHERE _forget AND id = ANY(_ids);
    UPDATE entries SET key = NULL, request = '', progress = '' WHERE NOT _forget AND id = ANY(_ids);
    DELETE FROM notes WHERE _forget AND key = ANY(ARRAY(SELECT key FROM notes WHERE until <= _now FOR UPDATE SKIP LOCKED));
    RETURN cardinality(_ids);
END $$ LANGUAGE plpgsql;

-- Functions find their own tables.
DO $$
DECLARE _function regprocedure;
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE 'the database cannot hold every text: create one with the encoding UTF8' USING ERRCODE = 'KW002';
    END IF;
    FOR _function IN SELECT oid FROM pg_proc WHERE pronamespace = current_schema()::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path FROM CURRENT', _function);
    END LOOP;
END $$;
