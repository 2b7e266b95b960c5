-- A record that is sent again under the same book, when the first drawing of it is evidence already, is drawn again: each drawing is
-- an audit of the labels that were set beside it.
ALTER TABLE audit
    DROP CONSTRAINT audit_pkey,
    ADD PRIMARY KEY (project, book_no, record_id, decided_at, gate_number);
