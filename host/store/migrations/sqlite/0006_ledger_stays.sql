-- What was paid stays known when its project is deleted: the ledger refers to projects and runs by
-- name only.
CREATE TABLE ledger_kept (
    n             INTEGER PRIMARY KEY AUTOINCREMENT,
    project       TEXT NOT NULL,
    run           TEXT NOT NULL,
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
INSERT INTO ledger_kept SELECT * FROM ledger ORDER BY n;
DROP TABLE ledger;
ALTER TABLE ledger_kept RENAME TO ledger;
CREATE INDEX ledger_of_project ON ledger (project, n);
CREATE INDEX ledger_of_run ON ledger (run, n);

CREATE TRIGGER ledger_never_changes BEFORE UPDATE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'a ledger entry never changes');
END;

-- Nothing was ever kept there: components lie in folders and blob stores.
DROP TABLE plugins;
