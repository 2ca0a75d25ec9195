-- Who may use the API, what everyone changed, and what its lists need.
CREATE TABLE tokens (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL CHECK (role IN ('viewer', 'editor', 'operator')),
    -- Digest of the token. The token itself is kept nowhere.
    digest     TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT
);

CREATE TABLE audit (
    n       INTEGER PRIMARY KEY AUTOINCREMENT,
    at      TEXT NOT NULL,
    who     TEXT NOT NULL,
    role    TEXT NOT NULL CHECK (role IN ('viewer', 'editor', 'operator')),
    action  TEXT NOT NULL,
    target  TEXT NOT NULL,
    -- The HTTP status of the answer; 0 on the command line.
    status  INTEGER NOT NULL,
    request TEXT NOT NULL
);
CREATE INDEX audit_of_target ON audit (target, n);

CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'an audit entry never changes');
END;

-- Lists of runs in one state, newest first.
CREATE INDEX runs_in_state ON runs (status, id);
