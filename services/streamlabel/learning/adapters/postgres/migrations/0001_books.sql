-- The books of all certified projects, what became known of them for ever, and the two books that make the way in and the way out
-- exactly-once. Runs inside the service's own schema (search_path), in one transaction.

-- Who writes. A process that begins puts its own name here; one whose name is gone may write no more.
CREATE TABLE term (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    holder uuid
);
INSERT INTO term DEFAULT VALUES;

-- One row a subject: a model version under one taxonomy and one promise. `snapshot` holds everything up to `snapshot_seq`.
CREATE TABLE book (
    book_no          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project          text NOT NULL,
    model_name       text NOT NULL,
    model_version    bigint NOT NULL,
    taxonomy_version integer NOT NULL,
    class_names      text[] NOT NULL,
    alpha            double precision NOT NULL,
    delta            double precision NOT NULL,
    began_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at         timestamptz,
    snapshot         bytea,
    snapshot_seq     bigint NOT NULL DEFAULT 0,
    last_seq         bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX book_open ON book (project) WHERE ended_at IS NULL;

-- What happened since the snapshot, in the order in which it was heard. Packed by learning/rules/journal.py.
CREATE TABLE journal (
    book_no bigint NOT NULL REFERENCES book,
    seq     bigint NOT NULL,
    entry   bytea NOT NULL,
    PRIMARY KEY (book_no, seq)
);

-- Every transition of every gate, for ever. `digest` covers the row and the digest before it: a row that is changed or taken
-- out breaks the chain (adapters/postgres/chain.py).
CREATE TABLE transition (
    transition_no bigint PRIMARY KEY,
    project       text NOT NULL,
    model_name    text NOT NULL,
    model_version bigint NOT NULL,
    facts         text NOT NULL,
    previous      bytea NOT NULL,
    digest        bytea NOT NULL UNIQUE
);
CREATE INDEX transition_of_project ON transition (project, transition_no DESC);
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'transitions are written once';
END $$;
CREATE TRIGGER transition_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON transition
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Calibration records as they became evidence, for the certificates of lots.
CREATE TABLE audit (
    project       text NOT NULL,
    record_id     text NOT NULL,
    model_version bigint NOT NULL,
    decided_at    timestamptz NOT NULL,
    lane_rate     double precision NOT NULL,
    predicted     text NOT NULL,
    answer        text,
    passable      boolean NOT NULL,
    PRIMARY KEY (project, record_id)
);
CREATE INDEX audit_by_time ON audit (project, decided_at);

-- Every gate that decided, so that its decisions can be made again. Scorers are large and seldom new.
CREATE TABLE scorer (
    digest  bytea PRIMARY KEY,
    message bytea NOT NULL
);
CREATE TABLE gate (
    project       text NOT NULL,
    gate_number   bigint NOT NULL,
    published_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    message       bytea NOT NULL,
    scorer_digest bytea NOT NULL REFERENCES scorer,
    PRIMARY KEY (project, gate_number)
);

-- The course of each gate, for charts; the latest point is how it stands.
CREATE TABLE point (
    project text NOT NULL,
    at      timestamptz NOT NULL,
    facts   text NOT NULL,
    PRIMARY KEY (project, at)
);

-- The way in: the next offset to apply, moved in the transaction that keeps what lies before it.
CREATE TABLE input_offset (
    topic        text NOT NULL,
    partition_no integer NOT NULL,
    next_offset  bigint NOT NULL,
    PRIMARY KEY (topic, partition_no)
);

-- The way out. Only the holder of the term writes, so that the order of `seq` is the order of commits.
CREATE TABLE outbox (
    seq          bigint PRIMARY KEY,
    topic        text NOT NULL,
    partition_no integer NOT NULL,
    key          bytea,
    value        bytea,
    headers      bytea NOT NULL
);
CREATE TABLE outbox_progress (
    one            boolean PRIMARY KEY DEFAULT true CHECK (one),
    last_numbered  bigint NOT NULL DEFAULT 0,
    last_published bigint NOT NULL DEFAULT 0
);
INSERT INTO outbox_progress DEFAULT VALUES;
