-- Version 2 of the store: what automatic labelling decided. Runs on a file of version 1
-- (data/schema.sql, whose conventions hold here too).
--
--   runs --< decisions >-- proofs
--            decisions --> scores

-- One row per run of automatic labelling and proof. It follows from the run's stored replies and
-- `rule`, and is replaced when the run is given another rule: a rebuildable table. The scores that
-- decisions gave are permanent; one that its decision no longer points to is withdrawn.
CREATE TABLE decisions (
    run     INTEGER NOT NULL REFERENCES runs (id),
    proof   INTEGER NOT NULL REFERENCES proofs (id),
    rater   TEXT NOT NULL,    -- of the scores that the run gives
    outcome TEXT NOT NULL CHECK (outcome IN ('labelled', 'queued', 'discarded')),
    reason  TEXT NOT NULL,    -- which part of the rule decided
    rule    TEXT NOT NULL,    -- JSON: what it decided with
    halves  INTEGER CHECK (halves IN (0, 1, 2)), -- the label
    score   INTEGER REFERENCES scores (id),
    created INTEGER NOT NULL,
    PRIMARY KEY (run, proof),
    CHECK ((outcome = 'labelled') = (halves IS NOT NULL)),
    CHECK ((outcome = 'labelled') = (score IS NOT NULL))
) STRICT;
CREATE INDEX decisions_proof ON decisions (proof);
CREATE INDEX decisions_queued ON decisions (outcome) WHERE outcome = 'queued';

-- Labels as in version 1, without withdrawn scores.
DROP VIEW labels;
CREATE VIEW labels AS
WITH latest AS (
    SELECT MAX(id) AS id FROM scores AS s
    WHERE halves IS NOT NULL AND rater_kind IN ('adjudicated', 'human', 'oracle', 'label')
      AND NOT EXISTS (SELECT 1 FROM decisions AS d
                      WHERE d.proof = s.proof AND d.rater = s.rater AND d.score IS NOT s.id
                        AND s.rater_kind = 'label')
    GROUP BY proof, analysis, rater_kind, rater),
ranked AS (
    SELECT s.id, s.proof, s.analysis, s.halves, s.rater_kind,
           CASE s.rater_kind WHEN 'adjudicated' THEN 0 WHEN 'human' THEN 1
                             WHEN 'oracle' THEN 2 ELSE 3 END AS preference
    FROM latest JOIN scores AS s ON s.id = latest.id),
trusted AS (
    SELECT *, MIN(preference) OVER (PARTITION BY proof, analysis) AS best FROM ranked),
ordered AS (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY proof, analysis ORDER BY halves, id) AS place,
           COUNT(*) OVER (PARTITION BY proof, analysis) AS raters
    FROM trusted WHERE preference = best)
SELECT id AS score, proof, analysis, halves, rater_kind, raters
FROM ordered WHERE place = (raters + 1) / 2;

-- Proofs that wait for a person: queued, and no person has scored them since.
CREATE VIEW human_queue AS
SELECT d.run, d.proof, p.problem, d.reason FROM decisions AS d JOIN proofs AS p ON p.id = d.proof
WHERE d.outcome = 'queued'
  AND NOT EXISTS (SELECT 1 FROM scores AS s
                  WHERE s.proof = d.proof AND s.halves IS NOT NULL
                    AND s.rater_kind IN ('adjudicated', 'human'));
