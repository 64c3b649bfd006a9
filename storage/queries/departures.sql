-- name: left_guild!
INSERT INTO departures (guild_id, left_at) VALUES (:guild_id, :at) ON CONFLICT DO NOTHING;

-- name: left_others!
-- From guild to guild along the index: jobs are many.
INSERT INTO departures (guild_id, left_at)
WITH RECURSIVE asked (guild_id) AS (
    SELECT min(guild_id) FROM jobs
    UNION ALL
    SELECT (SELECT min(jobs.guild_id) FROM jobs WHERE jobs.guild_id > asked.guild_id)
    FROM asked
    WHERE asked.guild_id IS NOT NULL
)
SELECT guild_id, :at
FROM (SELECT guild_id FROM asked UNION SELECT guild_id FROM policies UNION SELECT guild_id FROM audit)
WHERE guild_id NOT IN (SELECT value FROM json_each(:known)) AND guild_id IS NOT NULL
ON CONFLICT DO NOTHING;

-- name: among
SELECT guild_id, left_at FROM departures WHERE guild_id IN (SELECT value FROM json_each(:known));

-- name: joined!
DELETE FROM departures WHERE guild_id = :guild_id;

-- name: gone
SELECT guild_id FROM departures WHERE left_at < :before;

-- name: forget_policy!
DELETE FROM policies WHERE guild_id = :guild_id;

-- name: forget_audit!
DELETE FROM audit WHERE guild_id = :guild_id;

-- name: forget_attempts!
-- Some of them, but for the newest one of all: the steady clock goes on from there.
DELETE FROM attempts
WHERE id IN (
    SELECT attempts.id
    FROM jobs CROSS JOIN attempts ON attempts.job_id = jobs.id
    WHERE jobs.guild_id = :guild_id AND attempts.id < (SELECT max(id) FROM attempts)
    LIMIT 100
);

-- name: forget_jobs!
-- Some of them: a retry goes before what it repeats.
DELETE FROM jobs
WHERE id IN (
    SELECT id
    FROM jobs AS ended
    WHERE guild_id = :guild_id AND ended_at IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM attempts WHERE job_id = ended.id)
          AND NOT EXISTS (SELECT 1 FROM jobs WHERE retry_of = ended.id)
    LIMIT 100
);

-- name: forget_departure!
DELETE FROM departures
WHERE guild_id = :guild_id AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.guild_id = departures.guild_id);
