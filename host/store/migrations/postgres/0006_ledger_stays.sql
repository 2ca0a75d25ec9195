-- What was paid stays known when its project is deleted: the ledger refers to projects and runs by
-- name only.
ALTER TABLE ledger DROP CONSTRAINT ledger_project_fkey, DROP CONSTRAINT ledger_run_fkey;

-- Nothing was ever kept there: components lie in folders and blob stores.
DROP TABLE plugins;
