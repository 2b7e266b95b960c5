-- Tasks that nobody answers.

--   state: 4 escalated: set aside; only who asks for such tasks gets it
-- `skipped_by` are those who have skipped the task since it was last put back, NULL: nobody; like one with votes it is begun then, ready
-- but not for them. `skipped_at` is when that was done last. `attempts` counts leases that ended without an answer: expired or skipped.
-- `escalated_for` says why the task was set aside, also while somebody who asked for it has it in hand:
--   1 skipped by so many, 2 so many attempts, 3 a person said so
ALTER TABLE task
    ADD COLUMN skipped_by text[],
    ADD COLUMN skipped_at timestamptz,
    ADD COLUMN attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN escalated_for smallint,
    DROP CONSTRAINT task_state_check,
    DROP CONSTRAINT task_begun_has_votes,
    DROP CONSTRAINT IF EXISTS task_contested_has_votes,
    ADD CONSTRAINT task_state_check CHECK (state IN (0, 1, 2, 3, 4)) NOT VALID,
    ADD CONSTRAINT task_begun_has_cause CHECK (state <> 3 OR votes > 0 OR skipped_by IS NOT NULL) NOT VALID,
    ADD CONSTRAINT task_open_is_not_escalated CHECK (state NOT IN (0, 3) OR escalated_for IS NULL) NOT VALID;

DROP INDEX IF EXISTS task_contested;
CREATE INDEX task_escalated ON task (purpose_rank, priority DESC, ticket) INCLUDE (project, arrived_at) WHERE state = 4;

-- Every task that a person did not answer and said so. Nothing is ever deleted or overwritten here. A lease is skipped once.
--   reason: 1 cannot tell, 2 broken record, 3 not my field, 4 other; NULL: the person escalated it
CREATE TABLE skip (
    ticket        bigint NOT NULL,
    fencing_token integer NOT NULL,
    annotator     text NOT NULL,
    reason        smallint CHECK (reason BETWEEN 1 AND 4),
    note          text NOT NULL CHECK (length(note) <= 500),
    escalated_for smallint,
    skipped_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (ticket, fencing_token),
    CHECK (reason IS NOT NULL OR escalated_for IS NOT NULL)
);

-- Every lease that ran out unanswered, and every task that was put back. Nothing is ever deleted or overwritten here.
CREATE TABLE expiry (
    ticket        bigint NOT NULL,
    fencing_token integer NOT NULL,
    annotator     text NOT NULL,
    escalated_for smallint,
    expired_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (ticket, fencing_token)
);
CREATE TABLE requeue (
    ticket      bigint NOT NULL,
    requeued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (ticket, requeued_at)
);

-- Who is there: the last call of each person at the counter of a project (empty: of any), to within a quarter of a minute.
CREATE TABLE attendance (
    annotator text NOT NULL,
    project   text NOT NULL,
    seen_at   timestamptz NOT NULL,
    PRIMARY KEY (annotator, project)
) WITH (fillfactor = 50);

-- All answers of a task, for its history; those that count have an index of their own.
CREATE INDEX annotation_second_of_ticket ON annotation (ticket) WHERE status = 3;
