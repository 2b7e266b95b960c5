-- Projects that ask for certificates and have no book, for what went wrong with it, until it is tried again. `facts` is what was to be
-- certified, as JSON.
CREATE TABLE fault (
    project text PRIMARY KEY,
    since   timestamptz NOT NULL,
    reason  text NOT NULL,
    facts   text NOT NULL
);
