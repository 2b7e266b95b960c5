-- Share of the calibration records that two people are asked about: a part of what a book is about.
ALTER TABLE book ADD COLUMN double_blind_share double precision NOT NULL DEFAULT 0;
