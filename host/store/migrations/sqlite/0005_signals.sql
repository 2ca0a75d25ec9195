-- What somebody wants of a run that a host is working on; the host does it and takes it away.
ALTER TABLE runs ADD COLUMN wanted TEXT CHECK (wanted IN ('pause', 'stop'));
-- What a paused run waits for that is neither an answer nor a moment.
ALTER TABLE runs ADD COLUMN waits_for TEXT CHECK (waits_for IN ('storage'));

-- A model call that is about to be sent, was sent, or is to be sent again. Written before the call,
-- taken away with the journal entry of its answer, unless a try remains whose outcome nobody knows.
CREATE TABLE intents (
    run      TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step     TEXT NOT NULL,
    attempt  INTEGER NOT NULL,
    path     TEXT NOT NULL,
    -- Most that one try can cost, in US dollars.
    most_usd TEXT NOT NULL,
    tries    INTEGER NOT NULL CHECK (tries >= 0),
    -- Tries that ended without a known outcome: they may have been charged.
    lost     INTEGER NOT NULL DEFAULT 0 CHECK (lost >= 0),
    -- Whether a try is under way, or was when its host died.
    pending  INTEGER NOT NULL CHECK (pending IN (0, 1)),
    -- How often the provider asked to wait.
    waits    INTEGER NOT NULL DEFAULT 0 CHECK (waits >= 0),
    retry_at TEXT,
    at       TEXT NOT NULL,
    PRIMARY KEY (run, step, attempt, path)
) WITHOUT ROWID;

-- Requests that their sender may repeat, with what they were answered.
CREATE TABLE requests (
    key     TEXT NOT NULL PRIMARY KEY,
    -- Of what was asked: the same key for something else is a mistake.
    digest  TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at      TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX requests_oldest ON requests (at);
