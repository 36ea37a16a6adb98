-- All times are milliseconds since 1970. What is over counts as absent.
CREATE TABLE replays (
    name  TEXT NOT NULL,
    key   TEXT NOT NULL,    -- of the event
    claim TEXT,             -- who handles it; NULL once it is done
    until INTEGER NOT NULL, -- the end of the claim, or of the time for which it is remembered
    PRIMARY KEY (name, key)
) WITHOUT ROWID;
CREATE INDEX replays_by_end ON replays (until);
CREATE TABLE tokens (
    name     TEXT PRIMARY KEY,
    tokens   TEXT NOT NULL, -- JSON, and secret
    saved_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE refreshes (
    name   TEXT PRIMARY KEY, -- of the tokens
    holder TEXT NOT NULL,    -- who may refresh them
    until  INTEGER NOT NULL
) WITHOUT ROWID;
