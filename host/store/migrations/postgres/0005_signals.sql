-- What somebody wants of a run that a host is working on; the host does it and takes it away.
ALTER TABLE runs ADD COLUMN wanted TEXT COLLATE "C" CHECK (wanted IN ('pause', 'stop'));
-- What a paused run waits for that is neither an answer nor a moment.
ALTER TABLE runs ADD COLUMN waits_for TEXT COLLATE "C" CHECK (waits_for IN ('storage'));

-- A model call that is about to be sent, was sent, or is to be sent again. Written before the call,
-- taken away with the journal entry of its answer, unless a try remains whose outcome nobody knows.
CREATE TABLE intents (
    run      TEXT COLLATE "C" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step     TEXT COLLATE "C" NOT NULL,
    attempt  BIGINT NOT NULL,
    path     TEXT COLLATE "C" NOT NULL,
    -- Most that one try can cost, in US dollars.
    most_usd TEXT COLLATE "C" NOT NULL,
    tries    BIGINT NOT NULL CHECK (tries >= 0),
    -- Tries that ended without a known outcome: they may have been charged.
    lost     BIGINT NOT NULL DEFAULT 0 CHECK (lost >= 0),
    -- Whether a try is under way, or was when its host died.
    pending  BIGINT NOT NULL CHECK (pending IN (0, 1)),
    -- How often the provider asked to wait.
    waits    BIGINT NOT NULL DEFAULT 0 CHECK (waits >= 0),
    retry_at TEXT COLLATE "C",
    at       TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (run, step, attempt, path)
);

-- Requests that their sender may repeat, with what they were answered.
CREATE TABLE requests (
    key     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- Of what was asked: the same key for something else is a mistake.
    digest  TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    at      TEXT COLLATE "C" NOT NULL
);
CREATE INDEX requests_oldest ON requests (at);
