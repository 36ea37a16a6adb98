-- Version 1 of the tables and functions of an outbox, in a schema of their own. A version that was released is never changed.
-- Whoever locks a lane and rows locks the lane first, so that nobody waits in a circle.
CREATE TABLE outbox (version int NOT NULL, key_salt bytea NOT NULL);
INSERT INTO outbox VALUES (1, uuid_send(gen_random_uuid()));
CREATE TABLE entries (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key           text,                        -- NULL once the texts are blanked
    key_hash      bytea NOT NULL UNIQUE,       -- SHA-256 of the salt and the key
    lane          text COLLATE "C" NOT NULL,   -- entries of one lane are sent in order
    phase         text COLLATE "C" NOT NULL,   -- open: waiting, sending; closed: sent, doubled, rejected, uncertain, discarded
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
CREATE INDEX ON entries (lane, phase, id);
CREATE INDEX ON entries (lane, id) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX ON entries (lane) WHERE is_next AND closed_at IS NULL;
CREATE INDEX ON entries (phase, id) WHERE phase <> 'sent';
CREATE INDEX ON entries (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX ON entries (closed_at) WHERE closed_at IS NOT NULL AND key IS NOT NULL;
CREATE INDEX ON entries (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX ON entries (due_at, id) WHERE due_at IS NOT NULL AND not_before IS NULL AND claimed_until IS NULL;

CREATE FUNCTION hash(_key text) RETURNS bytea AS $$
    SELECT sha256(key_salt || convert_to(_key, 'UTF8')) FROM outbox
$$ LANGUAGE sql STABLE;

-- The time, once this transaction has the lane, if there is one: without it, the higher of two ids could be committed, and
-- sent, before the lower. Its commit waits for the disk, whatever is set for this user.
CREATE FUNCTION ready(_lane text, _at timestamptz) RETURNS timestamptz AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE 'it needs READ COMMITTED: set no other default_transaction_isolation for this user' USING ERRCODE = 'KW001';
    ELSIF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'local', true);
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(_lane, 'entries'::regclass::oid::bigint));
    RETURN coalesce(_at, clock_timestamp());
END $$ LANGUAGE plpgsql;

-- Finds the next entry of a lane that this transaction has. One that was claimed stays the next.
CREATE FUNCTION order_lane(_lane text) RETURNS void AS $$
BEGIN
    UPDATE entries SET is_next = false WHERE lane = _lane AND is_next AND closed_at IS NULL AND claimed_until IS NULL;
    UPDATE entries SET is_next = true
        WHERE id = (SELECT id FROM entries WHERE lane = _lane AND closed_at IS NULL ORDER BY id LIMIT 1)
            AND NOT EXISTS (SELECT FROM entries WHERE lane = _lane AND is_next AND closed_at IS NULL);
END $$ LANGUAGE plpgsql;

-- The entry with the key, and whether it is new.
CREATE FUNCTION enqueue(_key text, _lane text, _request text, _not_before timestamptz, _at timestamptz,
    OUT entry entries, OUT is_new boolean) AS $$
DECLARE _now timestamptz;
BEGIN
    LOOP
        SELECT * INTO entry FROM entries WHERE key_hash = hash(_key);
        is_new := NOT FOUND;
        EXIT WHEN FOUND;
        _now := ready(_lane, _at);
        INSERT INTO entries (key, key_hash, lane, phase, request, not_before, created_at, is_next)
            VALUES (_key, hash(_key), _lane, 'waiting', _request, _not_before, _now,
                NOT EXISTS (SELECT FROM entries WHERE lane = _lane AND closed_at IS NULL))
            ON CONFLICT (key_hash) DO NOTHING RETURNING * INTO entry;
        EXIT WHEN FOUND;
    END LOOP;
    -- Commits that notify wait for each other, so only what can be claimed at once does.
    IF is_new AND entry.due_at <= _now THEN PERFORM pg_notify(current_schema(), ''); END IF;
END $$ LANGUAGE plpgsql;

-- The claimed entry, or in how many microseconds to ask again; neither if there is nothing to do.
CREATE FUNCTION claim(_lease bigint, _at timestamptz, OUT entry entries, OUT wait bigint) AS $$
DECLARE _now timestamptz := ready(NULL, _at); _id bigint; _due timestamptz;
BEGIN
    SELECT due_at INTO _due FROM entries WHERE due_at IS NOT NULL ORDER BY due_at, id LIMIT 1;
    IF NOT FOUND THEN RETURN; END IF;
    SELECT id INTO _id FROM entries WHERE due_at <= _now ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF _id IS NULL THEN
        -- What has no time is due, also if the clock was set back since it was added.
        SELECT id INTO _id FROM entries WHERE due_at IS NOT NULL AND not_before IS NULL AND claimed_until IS NULL
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
    _lane text := (SELECT lane FROM entries WHERE id = _id);
    _now timestamptz := ready(_lane, _at);
    _not_before timestamptz := _now + _wait * interval '1 microsecond';
BEGIN
    UPDATE entries SET phase = _phase, progress = _progress, not_before = _not_before,
            closed_at = CASE WHEN NOT _is_open THEN _now END,
            claimed_until = CASE WHEN _is_open AND _keep THEN claimed_until END,
            is_next = CASE WHEN _is_open THEN is_next AND closed_at IS NULL ELSE _not_before IS NOT NULL END
        WHERE id = _id AND fence = _fence AND claimed_until > _now;
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM order_lane(_lane);
    RETURN true;
END $$ LANGUAGE plpgsql;

CREATE FUNCTION decide(_key text, _from text[], _to text, _is_open boolean, _at timestamptz) RETURNS boolean AS $$
DECLARE
    _lane text := (SELECT lane FROM entries WHERE key_hash = hash(_key));
    _now timestamptz := ready(_lane, _at);
BEGIN
    UPDATE entries SET phase = _to, not_before = NULL, claimed_until = NULL, is_next = false,
            closed_at = CASE WHEN NOT _is_open THEN _now END
        WHERE key_hash = hash(_key) AND phase = ANY(_from) AND coalesce(claimed_until <= _now, true);
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM order_lane(_lane), pg_notify(current_schema(), '');
    RETURN true;
END $$ LANGUAGE plpgsql;

-- Blanks what was closed so long ago, or deletes it. What is locked is left to who has locked it.
CREATE FUNCTION clean(_age bigint, _forget boolean, _at timestamptz) RETURNS bigint AS $$
DECLARE _until timestamptz := ready(NULL, _at) - _age * interval '1 microsecond'; _ids bigint[];
BEGIN
    _ids := ARRAY(SELECT id FROM entries WHERE closed_at <= _until AND NOT is_next AND phase NOT IN ('uncertain', 'doubled') AND (_forget OR key IS NOT NULL)
        FOR UPDATE SKIP LOCKED);
    DELETE FROM entries WHERE _forget AND id = ANY(_ids);
    UPDATE entries SET key = NULL, request = '', progress = '' WHERE NOT _forget AND id = ANY(_ids);
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
