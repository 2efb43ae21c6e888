-- Version 4 of the store: which scores count as opinions, said once. Runs on a file of version 3.

-- Labels that their own run no longer gives: it has decided about the proof again, and not so.
CREATE VIEW withdrawn AS
SELECT s.id AS score
FROM decisions AS d JOIN scores AS s ON s.proof = d.proof AND s.rater = d.rater
WHERE s.rater_kind = 'label' AND d.score IS NOT s.id;

-- What labels are made of: of each rater the latest score of a row, of the kinds that give labels,
-- without withdrawn ones.
CREATE VIEW opinions AS
SELECT MAX(id) AS score FROM scores
WHERE halves IS NOT NULL AND rater_kind IN ('adjudicated', 'human', 'oracle', 'label')
  AND id NOT IN (SELECT score FROM withdrawn)
GROUP BY proof, analysis, rater_kind, rater;

-- Labels as in version 2.
DROP VIEW labels;
CREATE VIEW labels AS
WITH ranked AS (
    SELECT s.id, s.proof, s.analysis, s.halves, s.rater_kind,
           CASE s.rater_kind WHEN 'adjudicated' THEN 0 WHEN 'human' THEN 1
                             WHEN 'oracle' THEN 2 ELSE 3 END AS preference
    FROM opinions JOIN scores AS s ON s.id = opinions.score),
trusted AS (
    SELECT *, MIN(preference) OVER (PARTITION BY proof, analysis) AS best FROM ranked),
ordered AS (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY proof, analysis ORDER BY halves, id) AS place,
           COUNT(*) OVER (PARTITION BY proof, analysis) AS raters
    FROM trusted WHERE preference = best)
SELECT id AS score, proof, analysis, halves, rater_kind, raters
FROM ordered WHERE place = (raters + 1) / 2;
