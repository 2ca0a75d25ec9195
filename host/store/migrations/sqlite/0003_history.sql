-- Checkpoints say who made them and why; a project remembers where it was forked from.

ALTER TABLE checkpoints ADD COLUMN performer TEXT NOT NULL DEFAULT '';
-- A title, then perhaps an empty line and sentences.
ALTER TABLE checkpoints ADD COLUMN note TEXT NOT NULL DEFAULT '';

-- JSON: project, run and the first step that was not taken over.
ALTER TABLE projects ADD COLUMN forked_from TEXT;
