-- Digest of a row of the journal; none in rows that are older than this column.
ALTER TABLE journal ADD COLUMN checksum TEXT COLLATE "C";
