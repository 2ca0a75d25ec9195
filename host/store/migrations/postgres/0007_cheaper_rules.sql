-- The same rules, kept at less cost. PostgreSQL reads a CHECK of a table and the WHEN of a trigger
-- anew in every statement; the rules of a domain and the body of a function once per connection.

CREATE DOMAIN project_status AS TEXT COLLATE "C"
    CHECK (VALUE IN ('created', 'analyzing', 'building', 'completed', 'failed'));
CREATE DOMAIN run_status AS TEXT COLLATE "C"
    CHECK (VALUE IN ('queued', 'running', 'paused', 'completed', 'failed', 'stopped'));
CREATE DOMAIN run_wanted AS TEXT COLLATE "C" CHECK (VALUE IN ('pause', 'stop'));
CREATE DOMAIN run_waits_for AS TEXT COLLATE "C" CHECK (VALUE IN ('storage'));
CREATE DOMAIN step_status AS TEXT COLLATE "C"
    CHECK (VALUE IN ('waiting', 'running', 'completed', 'skipped', 'failed', 'blocked'));
CREATE DOMAIN event_number AS BIGINT CHECK (VALUE > 0);

DROP TRIGGER projects_transition ON projects;
DROP TRIGGER runs_transition ON runs;
DROP TRIGGER steps_transition ON steps;

ALTER TABLE projects DROP CONSTRAINT projects_status_check,
    ALTER COLUMN status TYPE project_status;
ALTER TABLE runs DROP CONSTRAINT runs_status_check, DROP CONSTRAINT runs_wanted_check,
    DROP CONSTRAINT runs_waits_for_check,
    ALTER COLUMN status TYPE run_status, ALTER COLUMN wanted TYPE run_wanted,
    ALTER COLUMN waits_for TYPE run_waits_for;
ALTER TABLE steps DROP CONSTRAINT steps_status_check, ALTER COLUMN status TYPE step_status;
ALTER TABLE events DROP CONSTRAINT events_seq_check, ALTER COLUMN seq TYPE event_number;

CREATE OR REPLACE FUNCTION projects_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> NEW.status AND OLD.status || '>' || NEW.status NOT IN (
    'created>analyzing', 'created>failed',
    'analyzing>building', 'analyzing>failed',
    'building>completed', 'building>failed',
    'completed>building', 'completed>failed',
    'failed>building') THEN
        RAISE EXCEPTION 'illegal transition of a project';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION runs_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> NEW.status AND OLD.status || '>' || NEW.status NOT IN (
    'queued>running', 'queued>failed', 'queued>stopped',
    'running>paused', 'running>completed', 'running>failed', 'running>stopped',
    'paused>running', 'paused>failed', 'paused>stopped') THEN
        RAISE EXCEPTION 'illegal transition of a run';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION steps_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> NEW.status AND OLD.status || '>' || NEW.status NOT IN (
    'waiting>running', 'waiting>blocked', 'waiting>skipped',
    'running>completed', 'running>skipped', 'running>failed', 'running>waiting') THEN
        RAISE EXCEPTION 'illegal transition of a step';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER projects_transition BEFORE UPDATE OF status ON projects
    FOR EACH ROW EXECUTE FUNCTION projects_transition();
CREATE TRIGGER runs_transition BEFORE UPDATE OF status ON runs
    FOR EACH ROW EXECUTE FUNCTION runs_transition();
CREATE TRIGGER steps_transition BEFORE UPDATE OF status ON steps
    FOR EACH ROW EXECUTE FUNCTION steps_transition();
