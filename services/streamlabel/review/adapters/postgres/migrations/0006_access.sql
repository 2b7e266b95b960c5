-- Who may work here, by which tokens, and what was done about it.

-- `roles`: role or role@project, as people write them.
CREATE TABLE annotator (
    name     text PRIMARY KEY,
    roles    text[] NOT NULL,
    paused   boolean NOT NULL DEFAULT false,
    added_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A token itself is nowhere: `digest` is its keyed hash, the key a row of `secret`.
CREATE TABLE access_token (
    token_id     text PRIMARY KEY,
    annotator    text NOT NULL REFERENCES annotator (name) ON DELETE CASCADE,
    name         text NOT NULL,
    digest       bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX access_token_of ON access_token (annotator);

-- Who did what, when, on what: each row's digest covers the one before it (core/hash_chain.py).
CREATE TABLE audit (
    number   bigint PRIMARY KEY,
    at_ms    bigint NOT NULL,
    actor    text NOT NULL,
    action   text NOT NULL,
    subject  text NOT NULL,
    facts    text NOT NULL,
    previous bytea NOT NULL,
    digest   bytea NOT NULL
);

CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only ever added to';
END;
$$;
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();
