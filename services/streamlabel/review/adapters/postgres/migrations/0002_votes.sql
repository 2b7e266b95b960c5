-- Several people's answers to one task, one after the other.

-- Of tasks that want several: who voted, for what, in the order in which the votes were given, without those taken back; NULL before
-- the first vote, and always where one answer is wanted. They lie in the task's own row so that whoever locks it sees them as they are.
-- `label_no` is the outbox row of the label that the votes make, NULL while they make none.
--   state: 3 begun: has votes and wants another, from somebody who has not voted
ALTER TABLE task
    ADD COLUMN voters text[],
    ADD COLUMN voted_classes text[],
    ADD COLUMN label_no bigint,
    DROP CONSTRAINT task_state_check,
    -- NOT VALID: what is there already keeps a stricter rule, and need not be read through.
    ADD CONSTRAINT task_state_check CHECK (state IN (0, 1, 2, 3)) NOT VALID,
    ADD CONSTRAINT task_votes_match CHECK (
        voters IS NULL OR (cardinality(voters) = votes AND cardinality(voted_classes) = votes)
    ) NOT VALID,
    ADD CONSTRAINT task_begun_has_votes CHECK (state <> 3 OR (voters IS NOT NULL AND votes > 0)) NOT VALID;

-- Few tasks at a time: one index serves claims in a project and across projects, and the board.
CREATE INDEX task_begun ON task (purpose_rank, priority DESC, ticket) INCLUDE (project, arrived_at) WHERE state = 3;

-- A vote is accepted though it makes no label.
ALTER TABLE annotation
    DROP CONSTRAINT annotation_check,
    ADD CONSTRAINT annotation_revision_check CHECK (status = 1 OR revision IS NULL) NOT VALID;
