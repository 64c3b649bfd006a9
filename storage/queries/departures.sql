-- name: left_guild!
INSERT INTO departures (guild_id, left_at) VALUES (:guild_id, :at) ON CONFLICT DO NOTHING;

-- name: left_others!
INSERT INTO departures (guild_id, left_at)
SELECT guild_id, :at
FROM (SELECT guild_id FROM jobs UNION SELECT guild_id FROM policies UNION SELECT guild_id FROM audit)
WHERE guild_id NOT IN (SELECT value FROM json_each(:known))
ON CONFLICT DO NOTHING;

-- name: among
SELECT guild_id FROM departures WHERE guild_id IN (SELECT value FROM json_each(:known));

-- name: joined!
DELETE FROM departures WHERE guild_id = :guild_id;

-- name: gone
SELECT guild_id FROM departures WHERE left_at < :before;

-- name: forget_policy!
DELETE FROM policies WHERE guild_id = :guild_id;

-- name: forget_audit!
DELETE FROM audit WHERE guild_id = :guild_id;

-- name: forget_retries!
UPDATE jobs SET retry_of = NULL WHERE guild_id = :guild_id AND retry_of IS NOT NULL;

-- name: forget_attempts!
-- But for the newest one of all: the steady clock goes on from there.
DELETE FROM attempts WHERE guild_id = :guild_id AND id < (SELECT max(id) FROM attempts);

-- name: forget_jobs!
DELETE FROM jobs
WHERE guild_id = :guild_id AND ended_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM attempts WHERE job_id = jobs.id);

-- name: forget_departure!
DELETE FROM departures
WHERE guild_id = :guild_id AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.guild_id = departures.guild_id);
