-- Only PostgreSQL needs this one: SQLite reads its rules once per statement that it keeps prepared.
SELECT 1;
