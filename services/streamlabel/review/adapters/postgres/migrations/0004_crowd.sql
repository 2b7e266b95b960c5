-- How sure several people's answers make a label.

-- `label_class` is the class of the label that the votes make, NULL while they make none; `label_posterior` how likely it was, given who
-- voted for what, NULL where the votes were only counted. Both NULL where one answer is wanted.
ALTER TABLE task
    ADD COLUMN label_class text,
    ADD COLUMN label_posterior double precision;

-- Votes are numbered, so that who learns from them finds the latest, and how many are new. `taxonomy_version` is the one that the vote was
-- given under. Other answers have neither.
CREATE SEQUENCE vote_no;
ALTER TABLE annotation
    ADD COLUMN vote_no bigint,
    ADD COLUMN taxonomy_version integer;
CREATE INDEX annotation_vote ON annotation (project, taxonomy_version, vote_no) WHERE vote_no IS NOT NULL;

-- What is known of the people of a project, fitted to their latest votes: `habits` are prevalence [classes], then confusion matrices
-- [annotators, classes, answers], little-endian float32, zlib. `fit_no` grows with each fit, of `votes` votes up to `last_vote_no`.
CREATE TABLE crowd_model (
    project          text NOT NULL,
    taxonomy_version integer NOT NULL,
    fit_no           bigint NOT NULL,
    class_names      text[] NOT NULL,
    annotators       text[] NOT NULL,
    habits           bytea NOT NULL,
    votes            integer NOT NULL,
    last_vote_no     bigint NOT NULL,
    fitted_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (project, taxonomy_version)
);
