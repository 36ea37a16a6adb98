CREATE TABLE entries (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    queue         TEXT NOT NULL, -- who works on it: `outbox`, or a bot
    key           TEXT,          -- NULL once the texts are blanked
    key_hash      TEXT NOT NULL, -- the first half of SHA-256 of the salt and the key, in hexadecimal
    lane          TEXT NOT NULL, -- entries of one lane of a queue are handed out in order
    phase         TEXT NOT NULL, -- open: waiting, sending; closed: sent, doubled, rejected, uncertain, discarded, failed
    request       TEXT NOT NULL,
    progress      TEXT NOT NULL DEFAULT '',
    not_before    TEXT,          -- all times are in UTC, with nine digits after the point, so that texts compare as times
    created_at    TEXT NOT NULL,
    closed_at     TEXT,          -- NULL while it is open
    claimed_until TEXT,          -- a process works on it until then
    fence         INTEGER NOT NULL DEFAULT 0, -- how often it was claimed
    due_at        TEXT           -- of the first open entry of each lane, and of a closed one to look at again: when it can be claimed
);
CREATE UNIQUE INDEX entries_by_key ON entries (key_hash);
CREATE INDEX entries_by_lane ON entries (queue, lane, phase);
CREATE INDEX entries_by_phase ON entries (queue, phase);
CREATE INDEX entries_open ON entries (queue, lane) WHERE closed_at IS NULL;
CREATE INDEX entries_to_blank ON entries (queue, closed_at) WHERE closed_at IS NOT NULL AND key IS NOT NULL;
CREATE INDEX entries_closed ON entries (queue, closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX entries_due ON entries (queue, due_at) WHERE due_at IS NOT NULL;
CREATE UNIQUE INDEX entries_first ON entries (queue, lane) WHERE due_at IS NOT NULL AND closed_at IS NULL;
CREATE INDEX entries_at_once ON entries (queue, due_at) WHERE due_at IS NOT NULL AND not_before IS NULL AND claimed_until IS NULL;
CREATE TABLE notes (
    key   TEXT NOT NULL PRIMARY KEY,
    text  TEXT NOT NULL,
    until TEXT                   -- it is not read any more from then on; NULL if it is kept until it is replaced
);
CREATE INDEX notes_over ON notes (until) WHERE until IS NOT NULL;
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO settings VALUES ('key_salt', lower(hex(randomblob(16))));
