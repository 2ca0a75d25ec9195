-- Instants are text as `gencode_core::time::iso` writes them; they sort like time.
-- JSON is text. Money is text (exact decimals). Forward only: never edit a released migration.

CREATE TABLE projects (
    id          TEXT NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    provider    TEXT,
    model       TEXT,
    status      TEXT NOT NULL
        CHECK (status IN ('created', 'analyzing', 'building', 'completed', 'failed')),
    created_at  TEXT NOT NULL,
    modified_at TEXT NOT NULL,
    -- Sequence number of the newest event; raised in the transaction that adds the event.
    last_seq    INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX projects_newest ON projects (created_at, id);

CREATE TRIGGER projects_transition BEFORE UPDATE OF status ON projects
WHEN OLD.status <> NEW.status AND OLD.status || '>' || NEW.status NOT IN (
    'created>analyzing', 'created>failed',
    'analyzing>building', 'analyzing>failed',
    'building>completed', 'building>failed',
    'completed>building', 'completed>failed',
    'failed>building')
BEGIN
    SELECT RAISE(ABORT, 'illegal transition of a project');
END;

CREATE TABLE runs (
    id          TEXT NOT NULL PRIMARY KEY,
    project     TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    kind        TEXT NOT NULL,
    request     TEXT NOT NULL,
    provider    TEXT NOT NULL,
    model       TEXT NOT NULL,
    generation  TEXT NOT NULL,
    status      TEXT NOT NULL
        CHECK (status IN ('queued', 'running', 'paused', 'completed', 'failed', 'stopped')),
    reason      TEXT NOT NULL,
    -- The run whose satisfied steps were taken over.
    continues   TEXT REFERENCES runs (id) ON DELETE SET NULL,
    created_at  TEXT NOT NULL,
    started_at  TEXT,
    finished_at TEXT,
    -- Who works on it. `host` outlives its lease, so that a takeover can be told from a resumption.
    host        TEXT,
    epoch       INTEGER NOT NULL DEFAULT 0,
    lease_until TEXT,
    -- When a paused run goes on by itself.
    resume_at   TEXT
);
CREATE UNIQUE INDEX runs_one_active ON runs (project)
    WHERE status IN ('queued', 'running', 'paused');
CREATE INDEX runs_of_project ON runs (project, created_at);
CREATE INDEX runs_active ON runs (created_at) WHERE status IN ('queued', 'running', 'paused');

CREATE TRIGGER runs_transition BEFORE UPDATE OF status ON runs
WHEN OLD.status <> NEW.status AND OLD.status || '>' || NEW.status NOT IN (
    'queued>running', 'queued>failed', 'queued>stopped',
    'running>paused', 'running>completed', 'running>failed', 'running>stopped',
    'paused>running', 'paused>failed', 'paused>stopped')
BEGIN
    SELECT RAISE(ABORT, 'illegal transition of a run');
END;

CREATE TABLE steps (
    run         TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step        TEXT NOT NULL,
    position    INTEGER NOT NULL,
    status      TEXT NOT NULL
        CHECK (status IN ('waiting', 'running', 'completed', 'skipped', 'failed', 'blocked')),
    attempt     INTEGER NOT NULL DEFAULT 0,
    reason      TEXT NOT NULL DEFAULT '',
    report      TEXT NOT NULL DEFAULT 'null',
    started_at  TEXT,
    finished_at TEXT,
    PRIMARY KEY (run, step)
) WITHOUT ROWID;

CREATE TRIGGER steps_transition BEFORE UPDATE OF status ON steps
WHEN OLD.status <> NEW.status AND OLD.status || '>' || NEW.status NOT IN (
    'waiting>running', 'waiting>blocked', 'waiting>skipped',
    'running>completed', 'running>skipped', 'running>failed', 'running>waiting')
BEGIN
    SELECT RAISE(ABORT, 'illegal transition of a step');
END;

-- What every host call of a step was answered.
CREATE TABLE journal (
    run     TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step    TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    path    TEXT NOT NULL,
    digest  TEXT NOT NULL,
    call    TEXT NOT NULL,
    reply   TEXT NOT NULL,
    at      TEXT NOT NULL,
    PRIMARY KEY (run, step, attempt, path)
) WITHOUT ROWID;

-- The open question of a paused run: a journal entry that lacks its reply.
CREATE TABLE questions (
    run     TEXT NOT NULL PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    step    TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    path    TEXT NOT NULL,
    digest  TEXT NOT NULL,
    call    TEXT NOT NULL,
    text    TEXT NOT NULL,
    options TEXT NOT NULL,
    default_answer TEXT NOT NULL,
    at      TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE documents (
    run        TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    step       TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content    TEXT NOT NULL,
    at         TEXT NOT NULL,
    PRIMARY KEY (run, name)
);

CREATE TABLE checkpoints (
    n          INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    project    TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    parent     TEXT,
    run        TEXT,
    step       TEXT NOT NULL,
    manifest   TEXT NOT NULL,
    author     TEXT NOT NULL CHECK (author IN ('seed', 'run', 'user')),
    created_at TEXT NOT NULL
);
CREATE INDEX checkpoints_of_project ON checkpoints (project, n);

CREATE TABLE events (
    project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    seq     INTEGER NOT NULL CHECK (seq > 0),
    at      TEXT NOT NULL,
    run     TEXT,
    body    TEXT NOT NULL,
    PRIMARY KEY (project, seq)
) WITHOUT ROWID;

CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'an event never changes');
END;

CREATE TABLE ledger (
    n             INTEGER PRIMARY KEY AUTOINCREMENT,
    project       TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    run           TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step          TEXT NOT NULL,
    agent         TEXT NOT NULL,
    task          TEXT NOT NULL,
    provider      TEXT NOT NULL,
    model         TEXT NOT NULL,
    input_tokens  INTEGER NOT NULL CHECK (input_tokens >= 0),
    output_tokens INTEGER NOT NULL CHECK (output_tokens >= 0),
    cost_usd      TEXT NOT NULL,
    is_retry      INTEGER NOT NULL CHECK (is_retry IN (0, 1)),
    at            TEXT NOT NULL
);
CREATE INDEX ledger_of_project ON ledger (project, n);
CREATE INDEX ledger_of_run ON ledger (run, n);

CREATE TRIGGER ledger_never_changes BEFORE UPDATE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'a ledger entry never changes');
END;

CREATE TABLE memory (
    project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    plugin  TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (project, plugin, key)
) WITHOUT ROWID;

CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE plugins (
    digest   TEXT NOT NULL PRIMARY KEY,
    id       TEXT NOT NULL,
    version  TEXT NOT NULL,
    manifest TEXT NOT NULL,
    added_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX plugins_by_id ON plugins (id, added_at);

CREATE TABLE previews (
    project    TEXT NOT NULL PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    spec       TEXT NOT NULL,
    created_at TEXT NOT NULL
) WITHOUT ROWID;
