-- Instants are text as `gencode_core::time::iso` writes them; they sort like time.
-- The same tables as in SQLite; text sorts by its bytes there, so it does here.
-- JSON is text. Money is text (exact decimals). Forward only: never edit a released migration.

CREATE TABLE projects (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name        TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    provider    TEXT COLLATE "C",
    model       TEXT COLLATE "C",
    status      TEXT COLLATE "C" NOT NULL
        CHECK (status IN ('created', 'analyzing', 'building', 'completed', 'failed')),
    created_at  TEXT COLLATE "C" NOT NULL,
    modified_at TEXT COLLATE "C" NOT NULL,
    -- Sequence number of the newest event; raised in the transaction that adds the event.
    last_seq    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX projects_newest ON projects (created_at, id);

CREATE FUNCTION projects_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status || '>' || NEW.status NOT IN (
    'created>analyzing', 'created>failed',
    'analyzing>building', 'analyzing>failed',
    'building>completed', 'building>failed',
    'completed>building', 'completed>failed',
    'failed>building') THEN
        RAISE EXCEPTION 'illegal transition of a project';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER projects_transition BEFORE UPDATE OF status ON projects FOR EACH ROW
WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION projects_transition();

CREATE TABLE runs (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    project     TEXT COLLATE "C" NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    kind        TEXT COLLATE "C" NOT NULL,
    request     TEXT COLLATE "C" NOT NULL,
    provider    TEXT COLLATE "C" NOT NULL,
    model       TEXT COLLATE "C" NOT NULL,
    generation  TEXT COLLATE "C" NOT NULL,
    status      TEXT COLLATE "C" NOT NULL
        CHECK (status IN ('queued', 'running', 'paused', 'completed', 'failed', 'stopped')),
    reason      TEXT COLLATE "C" NOT NULL,
    -- The run whose satisfied steps were taken over.
    continues   TEXT COLLATE "C" REFERENCES runs (id) ON DELETE SET NULL,
    created_at  TEXT COLLATE "C" NOT NULL,
    started_at  TEXT COLLATE "C",
    finished_at TEXT COLLATE "C",
    -- Who works on it. `host` outlives its lease, so that a takeover can be told from a resumption.
    host        TEXT COLLATE "C",
    epoch       BIGINT NOT NULL DEFAULT 0,
    lease_until TEXT COLLATE "C",
    -- When a paused run goes on by itself.
    resume_at   TEXT COLLATE "C"
);
CREATE UNIQUE INDEX runs_one_active ON runs (project)
    WHERE status IN ('queued', 'running', 'paused');
CREATE INDEX runs_of_project ON runs (project, created_at);
CREATE INDEX runs_active ON runs (created_at) WHERE status IN ('queued', 'running', 'paused');

CREATE FUNCTION runs_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status || '>' || NEW.status NOT IN (
    'queued>running', 'queued>failed', 'queued>stopped',
    'running>paused', 'running>completed', 'running>failed', 'running>stopped',
    'paused>running', 'paused>failed', 'paused>stopped') THEN
        RAISE EXCEPTION 'illegal transition of a run';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER runs_transition BEFORE UPDATE OF status ON runs FOR EACH ROW
WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION runs_transition();

CREATE TABLE steps (
    run         TEXT COLLATE "C" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step        TEXT COLLATE "C" NOT NULL,
    position    BIGINT NOT NULL,
    status      TEXT COLLATE "C" NOT NULL
        CHECK (status IN ('waiting', 'running', 'completed', 'skipped', 'failed', 'blocked')),
    attempt     BIGINT NOT NULL DEFAULT 0,
    reason      TEXT COLLATE "C" NOT NULL DEFAULT '',
    report      TEXT COLLATE "C" NOT NULL DEFAULT 'null',
    started_at  TEXT COLLATE "C",
    finished_at TEXT COLLATE "C",
    PRIMARY KEY (run, step)
);

CREATE FUNCTION steps_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status || '>' || NEW.status NOT IN (
    'waiting>running', 'waiting>blocked', 'waiting>skipped',
    'running>completed', 'running>skipped', 'running>failed', 'running>waiting') THEN
        RAISE EXCEPTION 'illegal transition of a step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER steps_transition BEFORE UPDATE OF status ON steps FOR EACH ROW
WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION steps_transition();

-- What every host call of a step was answered.
CREATE TABLE journal (
    run     TEXT COLLATE "C" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step    TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    path    TEXT COLLATE "C" NOT NULL,
    digest  TEXT COLLATE "C" NOT NULL,
    call    TEXT COLLATE "C" NOT NULL,
    reply   TEXT COLLATE "C" NOT NULL,
    at      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (run, step, attempt, path)
);

-- The open question of a paused run: a journal entry that lacks its reply.
CREATE TABLE questions (
    run     TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    step    TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    path    TEXT COLLATE "C" NOT NULL,
    digest  TEXT COLLATE "C" NOT NULL,
    call    TEXT COLLATE "C" NOT NULL,
    text    TEXT COLLATE "C" NOT NULL,
    options TEXT COLLATE "C" NOT NULL,
    default_answer TEXT COLLATE "C" NOT NULL,
    at      TEXT COLLATE "C" NOT NULL
);

CREATE TABLE documents (
    run        TEXT COLLATE "C" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name       TEXT COLLATE "C" NOT NULL,
    step       TEXT COLLATE "C" NOT NULL,
    media_type TEXT COLLATE "C" NOT NULL,
    content    TEXT COLLATE "C" NOT NULL,
    at         TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (run, name)
);

CREATE TABLE checkpoints (
    n          BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    id         TEXT COLLATE "C" NOT NULL UNIQUE,
    project    TEXT COLLATE "C" NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    parent     TEXT COLLATE "C",
    run        TEXT COLLATE "C",
    step       TEXT COLLATE "C" NOT NULL,
    manifest   TEXT COLLATE "C" NOT NULL,
    author     TEXT COLLATE "C" NOT NULL CHECK (author IN ('seed', 'run', 'user')),
    created_at TEXT COLLATE "C" NOT NULL
);
CREATE INDEX checkpoints_of_project ON checkpoints (project, n);

CREATE TABLE events (
    project TEXT COLLATE "C" NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    seq     BIGINT NOT NULL CHECK (seq > 0),
    at      TEXT COLLATE "C" NOT NULL,
    run     TEXT COLLATE "C",
    body    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (project, seq)
);

CREATE FUNCTION events_never_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an event never changes';
END $$;
CREATE TRIGGER events_never_change BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION events_never_change();

CREATE TABLE ledger (
    n             BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    project       TEXT COLLATE "C" NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    run           TEXT COLLATE "C" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step          TEXT COLLATE "C" NOT NULL,
    agent         TEXT COLLATE "C" NOT NULL,
    task          TEXT COLLATE "C" NOT NULL,
    provider      TEXT COLLATE "C" NOT NULL,
    model         TEXT COLLATE "C" NOT NULL,
    input_tokens  BIGINT NOT NULL CHECK (input_tokens >= 0),
    output_tokens BIGINT NOT NULL CHECK (output_tokens >= 0),
    cost_usd      TEXT COLLATE "C" NOT NULL,
    is_retry      BIGINT NOT NULL CHECK (is_retry IN (0, 1)),
    at            TEXT COLLATE "C" NOT NULL
);
CREATE INDEX ledger_of_project ON ledger (project, n);
CREATE INDEX ledger_of_run ON ledger (run, n);

CREATE FUNCTION ledger_never_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a ledger entry never changes';
END $$;
CREATE TRIGGER ledger_never_changes BEFORE UPDATE ON ledger FOR EACH ROW EXECUTE FUNCTION ledger_never_changes();

CREATE TABLE memory (
    project TEXT COLLATE "C" NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    plugin  TEXT COLLATE "C" NOT NULL,
    key     TEXT COLLATE "C" NOT NULL,
    value   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (project, plugin, key)
);

CREATE TABLE settings (
    key   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE plugins (
    digest   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    id       TEXT COLLATE "C" NOT NULL,
    version  TEXT COLLATE "C" NOT NULL,
    manifest TEXT COLLATE "C" NOT NULL,
    added_at TEXT COLLATE "C" NOT NULL
);
CREATE INDEX plugins_by_id ON plugins (id, added_at);

CREATE TABLE previews (
    project    TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    spec       TEXT COLLATE "C" NOT NULL,
    created_at TEXT COLLATE "C" NOT NULL
);
