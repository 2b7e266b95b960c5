-- A record that comes again, when its task lies here already.

-- `decision_no` grows with each decision that a task takes on: who judged an answer by the one before looks again. `asked_from` is the
-- fencing token from which on leases show what is asked now: whoever holds an older one had the model's suggestion in view. `repeats` is
-- how many of the latest revisions repeat the answer that stands, and `taxonomy_version` that of the latest label (NULL: nobody knows).
ALTER TABLE task
    ADD COLUMN decision_no integer NOT NULL DEFAULT 0,
    ADD COLUMN asked_from integer NOT NULL DEFAULT 0,
    ADD COLUMN repeats integer NOT NULL DEFAULT 0,
    ADD COLUMN taxonomy_version integer;

-- The one answer that a task of one answer rests on.
CREATE INDEX annotation_of_ticket ON annotation (ticket) WHERE status = 1;
