-- A record that is sent again, under another book, is drawn again: an audit belongs to the book whose evidence it became, and
-- `gate_number` is that of the gate by which routing drew it (0: nobody knows).
ALTER TABLE audit ADD COLUMN book_no bigint, ADD COLUMN gate_number bigint NOT NULL DEFAULT 0;
UPDATE audit SET book_no = coalesce(
    (
        SELECT max(book_no) FROM book
        WHERE book.project = audit.project AND book.model_version = audit.model_version AND began_at <= decided_at
    ),
    (SELECT min(book_no) FROM book WHERE book.project = audit.project AND book.model_version = audit.model_version),
    0
);
ALTER TABLE audit
    ALTER COLUMN book_no SET NOT NULL,
    DROP CONSTRAINT audit_pkey,
    ADD PRIMARY KEY (project, book_no, record_id);
