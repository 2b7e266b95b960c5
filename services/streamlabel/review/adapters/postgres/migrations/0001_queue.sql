-- The queue of tasks, the answers to them, and the two books that make the way in and the way out exactly-once.
-- Runs inside the service's own schema (search_path), in one transaction. `headers` columns are packed by adapters/postgres/headers.py.

-- One row a task. The columns below "what changes" are in no index, so that heartbeats stay heap-only updates;
-- `state` alone is in the condition of the partial indexes.
--   state: 0 ready, 1 leased, 2 answered
CREATE TABLE task (
    ticket        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project       text NOT NULL,
    record_id     text NOT NULL,
    content_hash  bytea NOT NULL,
    partition_no  integer NOT NULL,
    purpose_rank  smallint NOT NULL,
    priority      double precision NOT NULL,
    needed_votes  smallint NOT NULL CHECK (needed_votes >= 1),
    decision      bytea NOT NULL,
    model_name    text NOT NULL,
    model_version bigint NOT NULL,
    event_at      timestamptz,
    headers       bytea NOT NULL,
    arrived_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- what changes
    state         smallint NOT NULL DEFAULT 0 CHECK (state IN (0, 1, 2)),
    fencing_token integer NOT NULL DEFAULT 0,
    lease_owner   text,
    leased_at     timestamptz,
    lease_until   timestamptz,
    votes         smallint NOT NULL DEFAULT 0 CHECK (votes >= 0),
    revision      integer NOT NULL DEFAULT 0 CHECK (revision >= 0),
    UNIQUE (project, record_id),
    CHECK ((state = 1) = (lease_owner IS NOT NULL)),
    CHECK ((state = 1) = (lease_until IS NOT NULL))
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_vacuum_cost_limit = 10000,
    autovacuum_analyze_scale_factor = 0.02
);
CREATE INDEX task_ready_in_project ON task (project, purpose_rank, priority DESC, ticket) INCLUDE (arrived_at) WHERE state = 0;
-- `ticket > 0` is always true. It keeps a claim within one project, which does not say it, from walking past the tasks of
-- all others in this index: only the claim across projects repeats it.
CREATE INDEX task_ready_anywhere ON task (purpose_rank, priority DESC, ticket) WHERE state = 0 AND ticket > 0;
CREATE INDEX task_leased ON task (ticket) WHERE state = 1;

-- What the person looks at; apart, so that rows that change stay small.
CREATE TABLE task_payload (
    ticket  bigint PRIMARY KEY,
    message bytea NOT NULL
);

-- Every answer that was kept. Nothing is ever deleted or overwritten here; an undo fills in the last two columns.
--   status: 1 accepted, 3 superseded (a second opinion), as on the wire
CREATE TABLE annotation (
    annotator     text NOT NULL,
    annotation_id text NOT NULL,
    ticket        bigint NOT NULL,
    project       text NOT NULL,
    fencing_token integer NOT NULL,
    class_name    text NOT NULL,
    status        smallint NOT NULL CHECK (status IN (1, 3)),
    think_time_ms bigint NOT NULL,
    revision      integer,
    outbox_no     bigint,
    answered_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    retracted_at  timestamptz,
    undone_under  integer,
    PRIMARY KEY (annotator, annotation_id),
    CHECK ((status = 1) = (revision IS NOT NULL)),
    CHECK ((retracted_at IS NULL) = (undone_under IS NULL))
);
CREATE INDEX annotation_answered_at ON annotation USING brin (answered_at) WITH (pages_per_range = 16, autosummarize = on);

-- The way in: the next offset to apply, moved in the transaction that applies what lies before it.
CREATE TABLE input_offset (
    topic        text NOT NULL,
    partition_no integer NOT NULL,
    next_offset  bigint NOT NULL,
    PRIMARY KEY (topic, partition_no)
);

-- The way out. `publish_seq` is given to committed rows only: see adapters/postgres/outbox.py.
CREATE SEQUENCE outbox_no;
CREATE TABLE outbox (
    outbox_no     bigint NOT NULL DEFAULT nextval('outbox_no'),
    publish_seq   bigint,
    topic         text NOT NULL,
    partition_no  integer NOT NULL,
    key           bytea,
    value         bytea,
    headers       bytea NOT NULL,
    -- Of a label: whose, and which revision. Empty on dead letters.
    project       text,
    revision      integer
) WITH (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_limit = 10000
);
CREATE UNIQUE INDEX outbox_numbered ON outbox (publish_seq) WHERE publish_seq IS NOT NULL;
CREATE UNIQUE INDEX outbox_unnumbered ON outbox (outbox_no) WHERE publish_seq IS NULL;

CREATE TABLE outbox_progress (
    one            boolean PRIMARY KEY DEFAULT true CHECK (one),
    last_numbered  bigint NOT NULL DEFAULT 0,
    last_published bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);
INSERT INTO outbox_progress DEFAULT VALUES;

-- How many records of a project have a label in Kafka; kept by the one publisher, so that nobody has to count for it.
CREATE TABLE label_tally (
    project  text PRIMARY KEY,
    labelled bigint NOT NULL
) WITH (fillfactor = 50);

-- What all replicas share and nobody else may know.
CREATE TABLE secret (
    name  text PRIMARY KEY,
    value bytea NOT NULL
);
