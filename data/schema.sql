-- The store of Elenchus, version 1. Embedded into the program at build time; a change after a
-- release is a new migration in data/store_migrate.c, never an edit of what old files have run:
-- data/schema_2.sql adds what automatic labelling decided, data/schema_4.sql which scores count.
--
--   problems --< proofs --< analyses --< meta_analyses
--                  \----------\--< scores          (a score is of one proof or of one analysis)
--   runs --< jobs --< results --> the proof, analysis or meta-analysis that a job produced
--            jobs --< drops
--
-- Conventions
--   1. `key` is a digest of what identifies the row (data/store_*.c). Inserting a row that is
--      there already is a no-op, so imports and interrupted runs can simply be repeated. No key
--      contains a row id: ids depend on the order of arrival, keys do not.
--   2. `halves` is a score in half points: 0, 1, 2 for 0, 0.5, 1; NULL where there is none.
--   3. What was said is never changed: proofs, analyses, meta_analyses, scores and results have
--      triggers that refuse UPDATE and DELETE.
--   4. `created` is seconds since 1970. It and wall_ms are for people: no report that must be
--      reproducible reads them.

-- ======================================================================= PERMANENT TABLES

CREATE TABLE problems (
    id          INTEGER PRIMARY KEY,
    key         TEXT NOT NULL UNIQUE,  -- of (set_name, external_id, statement)
    digest      TEXT NOT NULL,         -- of the statement alone: train/test disjointness
    set_name    TEXT NOT NULL,         -- 'IMO2025', 'ProofBench-Advanced', ...
    external_id TEXT NOT NULL,         -- the name inside the set; two statements may share it
    statement   TEXT NOT NULL,
    answer      TEXT,                  -- the final answer, where the problem has one
    reference   TEXT,                  -- a reference solution
    rubric      TEXT,                  -- grading guidelines
    category    TEXT,
    level       TEXT,
    extra       TEXT                   -- a JSON object with whatever else came along
) STRICT;
CREATE INDEX problems_digest ON problems (digest);
CREATE INDEX problems_set ON problems (set_name, external_id);

CREATE TABLE runs (
    id            INTEGER PRIMARY KEY,
    key           TEXT NOT NULL UNIQUE, -- of (kind, config, seed, model_digest, prompt_digest)
    kind          TEXT NOT NULL CHECK (kind IN ('compete', 'eval', 'train', 'grade', 'label')),
    config        TEXT NOT NULL,        -- canonical JSON of everything that decides the outcome
    seed          INTEGER NOT NULL,     -- unsigned 64 bits, stored by its bits
    model_digest  TEXT NOT NULL,
    prompt_digest TEXT NOT NULL,
    mode          TEXT NOT NULL,        -- attention mode, dtype and instruction set: results are
    dtype         TEXT NOT NULL,        -- equal bit for bit only among equal ones, so resuming on
    isa           TEXT NOT NULL,        -- others is allowed but warned about
    created       INTEGER NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('open', 'done')),
    writer_pid    INTEGER,              -- who holds, or last held, the write lock; the lock
    writer_host   TEXT                  -- itself is the kernel's (data/store_lock.c)
) STRICT;

CREATE TABLE jobs (
    id        INTEGER PRIMARY KEY,
    run       INTEGER NOT NULL REFERENCES runs (id),
    key       TEXT NOT NULL,     -- also seeds the random stream of the sample
    role      TEXT NOT NULL,     -- 'generator', 'verifier', 'meta_verifier', ...
    problem   INTEGER REFERENCES problems (id),
    thread    INTEGER NOT NULL,
    round     INTEGER NOT NULL,
    sample    INTEGER NOT NULL,
    proof     INTEGER REFERENCES proofs (id),    -- the proof that is verified or refined
    analysis  INTEGER REFERENCES analyses (id),  -- the analysis that is judged
    inputs    TEXT,              -- JSON: further references, e.g. the analyses given as feedback
    state     TEXT NOT NULL CHECK (state IN ('pending', 'done', 'failed')),
    attempts  INTEGER NOT NULL,  -- results stored for this job
    outages   INTEGER NOT NULL,  -- infrastructure failures: no reply came, nothing was judged
    last_outage TEXT,
    UNIQUE (run, key)
) STRICT;
CREATE INDEX jobs_run ON jobs (run, problem, thread, round);
CREATE INDEX jobs_state ON jobs (run, state);

CREATE TABLE proofs (
    id          INTEGER PRIMARY KEY,
    key         TEXT NOT NULL UNIQUE, -- of (problem key, text, author_kind, author, origin)
    problem     INTEGER NOT NULL REFERENCES problems (id),
    text        TEXT NOT NULL,        -- Y alone; the self-analysis Z is a row of analyses
    author_kind TEXT NOT NULL CHECK (author_kind IN ('human', 'model', 'import')),
    author      TEXT NOT NULL,
    origin      TEXT NOT NULL,        -- job key and attempt, or the id in an imported file, or ''
    extra       TEXT,
    created     INTEGER NOT NULL
) STRICT;
CREATE INDEX proofs_problem ON proofs (problem);

CREATE TABLE analyses (
    id          INTEGER PRIMARY KEY,
    key         TEXT NOT NULL UNIQUE, -- of (proof key, is_self, text, author_kind, author, origin)
    proof       INTEGER NOT NULL REFERENCES proofs (id),
    is_self     INTEGER NOT NULL CHECK (is_self IN (0, 1)), -- 1: Z, by the proof's own author
    text        TEXT NOT NULL,
    halves      INTEGER CHECK (halves IN (0, 1, 2)),
    failure     TEXT,                 -- why there is no score: 'no_boxed_score', 'truncated', ...
    author_kind TEXT NOT NULL CHECK (author_kind IN ('human', 'model', 'import')),
    author      TEXT NOT NULL,
    origin      TEXT NOT NULL,
    extra       TEXT,
    created     INTEGER NOT NULL
) STRICT;
CREATE INDEX analyses_proof ON analyses (proof);

CREATE TABLE meta_analyses (
    id          INTEGER PRIMARY KEY,
    key         TEXT NOT NULL UNIQUE, -- of (analysis key, text, author_kind, author, origin)
    analysis    INTEGER NOT NULL REFERENCES analyses (id),
    text        TEXT NOT NULL,
    halves      INTEGER CHECK (halves IN (0, 1, 2)),
    failure     TEXT,
    author_kind TEXT NOT NULL CHECK (author_kind IN ('human', 'model', 'import')),
    author      TEXT NOT NULL,
    origin      TEXT NOT NULL,
    extra       TEXT,
    created     INTEGER NOT NULL
) STRICT;
CREATE INDEX meta_analyses_analysis ON meta_analyses (analysis);

-- Who said how good a proof or an analysis is. Rater kinds:
--   adjudicated  a person decided between raters      label     automatic labelling
--   human        one person                           model     one model's verdict
--   oracle       exact truth of the small world       imported  an automatic rating from a file
-- raw / scale_max is what was said; halves is what `mapping` (data/mapping.h) made of it.
CREATE TABLE scores (
    id         INTEGER PRIMARY KEY,
    key        TEXT NOT NULL UNIQUE, -- of the subject's key, rater_kind, rater, raw, scale_max,
                                     -- halves, mapping, blind, origin
    proof      INTEGER REFERENCES proofs (id),
    analysis   INTEGER REFERENCES analyses (id),
    rater_kind TEXT NOT NULL
               CHECK (rater_kind IN ('adjudicated', 'human', 'oracle', 'label', 'model', 'imported')),
    rater      TEXT NOT NULL,
    raw        REAL NOT NULL,
    scale_max  REAL NOT NULL CHECK (scale_max > 0),
    halves     INTEGER CHECK (halves IN (0, 1, 2)),
    mapping    TEXT,                 -- NULL: raw was not mapped
    blind      INTEGER CHECK (blind IN (0, 1)), -- 1: the rater saw no automatic score; NULL: unknown
    origin     TEXT NOT NULL,        -- tells a second opinion of one rater from a repeated import
    extra      TEXT,
    created    INTEGER NOT NULL,
    CHECK ((proof IS NULL) <> (analysis IS NULL))
) STRICT;
CREATE INDEX scores_proof ON scores (proof) WHERE proof IS NOT NULL;
CREATE INDEX scores_analysis ON scores (analysis) WHERE analysis IS NOT NULL;

-- One row per reply of a model. A judge's unreadable reply is stored too and the job stays
-- pending for the next attempt, so that a resumed run sees the same history.
CREATE TABLE results (
    job               INTEGER NOT NULL REFERENCES jobs (id),
    attempt           INTEGER NOT NULL,  -- 0, 1, ...
    text              TEXT NOT NULL,     -- the answer as it came
    reasoning         TEXT,              -- what came before </think>
    halves            INTEGER CHECK (halves IN (0, 1, 2)), -- parsed: self-score, score or ms
    failure           TEXT,              -- the named failure of roles/, NULL when it parsed
    finish            TEXT NOT NULL,     -- 'stop', 'length', ...
    prompt_tokens     INTEGER NOT NULL,
    cached_tokens     INTEGER NOT NULL,  -- of the prompt; depends on scheduling, not reported
    completion_tokens INTEGER NOT NULL,
    logp_sum          REAL,
    wall_ms           INTEGER NOT NULL,  -- not reported
    proof             INTEGER REFERENCES proofs (id),        -- what it produced
    analysis          INTEGER REFERENCES analyses (id),
    meta              INTEGER REFERENCES meta_analyses (id),
    PRIMARY KEY (job, attempt)
) STRICT;

-- Everything that was left out, and why; with the length of the proof concerned, so that proofs
-- that break judges show up.
CREATE TABLE drops (
    run         INTEGER NOT NULL REFERENCES runs (id),
    job         INTEGER NOT NULL REFERENCES jobs (id),
    reason      TEXT NOT NULL,
    proof_bytes INTEGER NOT NULL,   -- 0: no proof was concerned
    PRIMARY KEY (job, reason)
) STRICT;
CREATE INDEX drops_run ON drops (run);

CREATE TRIGGER proofs_fixed BEFORE UPDATE ON proofs
BEGIN SELECT RAISE (ABORT, 'a stored proof is never changed'); END;
CREATE TRIGGER proofs_kept BEFORE DELETE ON proofs
BEGIN SELECT RAISE (ABORT, 'a stored proof is never deleted'); END;
CREATE TRIGGER analyses_fixed BEFORE UPDATE ON analyses
BEGIN SELECT RAISE (ABORT, 'a stored analysis is never changed'); END;
CREATE TRIGGER analyses_kept BEFORE DELETE ON analyses
BEGIN SELECT RAISE (ABORT, 'a stored analysis is never deleted'); END;
CREATE TRIGGER meta_analyses_fixed BEFORE UPDATE ON meta_analyses
BEGIN SELECT RAISE (ABORT, 'a stored meta-analysis is never changed'); END;
CREATE TRIGGER meta_analyses_kept BEFORE DELETE ON meta_analyses
BEGIN SELECT RAISE (ABORT, 'a stored meta-analysis is never deleted'); END;
CREATE TRIGGER scores_fixed BEFORE UPDATE ON scores
BEGIN SELECT RAISE (ABORT, 'a stored score is never changed'); END;
CREATE TRIGGER scores_kept BEFORE DELETE ON scores
BEGIN SELECT RAISE (ABORT, 'a stored score is never deleted'); END;
CREATE TRIGGER results_fixed BEFORE UPDATE ON results
BEGIN SELECT RAISE (ABORT, 'a stored result is never changed'); END;
CREATE TRIGGER results_kept BEFORE DELETE ON results
BEGIN SELECT RAISE (ABORT, 'a stored result is never deleted'); END;

-- ===================================================================== REBUILDABLE: VIEWS
-- Nothing here holds data. Caches that later need a table belong below this line, too.

-- Labels, one per subject. Of one rater only the latest score counts; of the rater kinds the most
-- trusted one present (adjudicated, human, oracle, label); of several raters of that kind the
-- median, for an even number the lower one. Verdicts of models and imported automatic ratings are
-- never labels.
CREATE VIEW labels AS
WITH latest AS (
    SELECT MAX(id) AS id FROM scores
    WHERE halves IS NOT NULL AND rater_kind IN ('adjudicated', 'human', 'oracle', 'label')
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

-- D_v = {(X, Y, s)} and D_mv = {(X, Y, V, ms)}.
CREATE VIEW dv AS
SELECT p.problem, p.id AS proof, l.halves, l.rater_kind, l.raters, l.score
FROM labels AS l JOIN proofs AS p ON p.id = l.proof;

CREATE VIEW dmv AS
SELECT p.problem, p.id AS proof, a.id AS analysis, l.halves, l.rater_kind, l.raters, l.score
FROM labels AS l JOIN analyses AS a ON a.id = l.analysis JOIN proofs AS p ON p.id = a.proof;

-- Tokens by run and role, every stored attempt counted.
CREATE VIEW usage AS
SELECT j.run, j.role, COUNT(*) AS replies, SUM(r.prompt_tokens) AS prompt_tokens,
       SUM(r.cached_tokens) AS cached_tokens, SUM(r.completion_tokens) AS completion_tokens
FROM results AS r JOIN jobs AS j ON j.id = r.job GROUP BY j.run, j.role;
