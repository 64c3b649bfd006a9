-- name: mark^
SELECT coalesce((SELECT CAST(value AS INTEGER) FROM facts WHERE name = 'turns'), 0) AS turns,
       coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'attempts'), 0) AS attempt;

-- name: take_turn!
INSERT INTO facts (name, value) VALUES ('turns', '1')
ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT);

-- name: set_turns!
INSERT INTO facts (name, value) VALUES ('turns', CAST(:turns AS TEXT))
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: skip_attempts!
-- Numbers that were used after the backup are not used again.
UPDATE sqlite_sequence SET seq = max(seq, :attempt) WHERE name = 'attempts';

-- name: first_attempt!
INSERT INTO sqlite_sequence (name, seq)
SELECT 'attempts', :attempt WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'attempts');

-- name: hold_unfinished!
UPDATE jobs SET held_from = state, state = 'held', cause = 'restored', epoch = epoch + 1, told = 0
WHERE state IN ('received', 'queued', 'submitting', 'submitted', 'result', 'posting');

-- name: forget_breakers!
-- What was known of providers is old, and a held job that was let through to try one out would keep it shut.
DELETE FROM breakers;
