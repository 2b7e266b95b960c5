-- How the model of a book is bound (core/binding.py): a part of what the book is about. Books of before do not say it, and end.
ALTER TABLE book ADD COLUMN binding text NOT NULL DEFAULT '';

-- What the last message before `next_offset` looks like (runtime/log_mark.py): a topic that was deleted and made anew has another one there.
ALTER TABLE input_offset ADD COLUMN mark text;

-- Audits form a chain of digests, like transitions: `audit_no` counts them from 1 on, `digest` covers the row and the digest before
-- it (gate/audit_chain.py). Those of before this have neither. One row says how far the chain goes, and how many audits lie before it.
ALTER TABLE audit ADD COLUMN audit_no bigint UNIQUE, ADD COLUMN digest bytea;
CREATE TABLE audit_chain (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    last_no   bigint NOT NULL DEFAULT 0,
    digest    bytea,
    unchained bigint NOT NULL
);
INSERT INTO audit_chain (unchained) SELECT count(*) FROM audit;
