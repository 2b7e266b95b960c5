-- Tasks that as many people as may be asked have left open.

-- `escalated_for` 4: contested. Such a task waits, set aside, for somebody who has not voted; they see what was voted for, but not by whom,
-- and their answer is the label. `contested_from`: leases with this fencing token or a later one are of such people; NULL: not contested.
-- It stays while the label is theirs. `left_open`: the task was contested with this vote.
ALTER TABLE task
    ADD COLUMN contested_from integer,
    ADD CONSTRAINT task_contested_since CHECK (escalated_for <> 4 OR contested_from IS NOT NULL) NOT VALID;
ALTER TABLE annotation ADD COLUMN left_open boolean NOT NULL DEFAULT false;
