-- What a book has told of the labels set by its gates, those from number `first_gate` on: they are confirmed where they are older than
-- `confirmed_until` and lie in none of the stretches `suspects`, [[from_ms, until_ms or null], ...]. It outlives the book.
ALTER TABLE book
    ADD COLUMN first_gate      bigint,
    ADD COLUMN confirmed_until timestamptz,
    ADD COLUMN suspects        text NOT NULL DEFAULT '[]';
-- Of books that were begun before, as far as their gates are still kept. What they confirmed, nobody wrote down.
UPDATE book SET first_gate = (
    SELECT min(gate_number) FROM gate
    WHERE gate.project = book.project AND published_at >= began_at AND (ended_at IS NULL OR published_at <= ended_at)
);
