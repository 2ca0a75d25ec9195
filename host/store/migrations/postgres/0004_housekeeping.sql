-- How long the history of a project is kept, where it differs from the host's own rule.
CREATE TABLE retention (
    project          TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    keep_days        BIGINT NOT NULL CHECK (keep_days >= 0),
    -- The newest and the one before it are always needed.
    keep_checkpoints BIGINT NOT NULL CHECK (keep_checkpoints >= 2)
);

-- Who cleans up or makes a backup now. The row `door` is locked by whoever looks at the others, so
-- that two cannot come in together.
CREATE TABLE holds (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind       TEXT COLLATE "C" NOT NULL CHECK (kind IN ('door', 'cleaning', 'backup')),
    held_until TEXT COLLATE "C" NOT NULL
);
INSERT INTO holds (id, kind, held_until) VALUES ('door', 'door', '');

-- The states of files that kept journals begin from.
CREATE INDEX journal_bases ON journal (run, step, attempt) WHERE path = '@base';
