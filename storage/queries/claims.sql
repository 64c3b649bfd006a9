-- name: active_at_provider^
SELECT count(*) AS active FROM jobs WHERE provider = :provider AND state IN ('submitting', 'submitted');

-- name: waiting_guilds
-- Guilds with a job for this provider, who was served longest ago first; ready_at is when the next put-off job is due.
SELECT jobs.guild_id, coalesce(turn.served, 0) AS served,
       min(CASE WHEN jobs.not_before > :now THEN jobs.not_before END) AS ready_at
FROM jobs
LEFT JOIN guild_turns AS turn ON turn.provider = jobs.provider AND turn.guild_id = jobs.guild_id
WHERE jobs.provider = :provider AND jobs.state = 'queued' AND jobs.discard IS NULL
GROUP BY jobs.guild_id
ORDER BY served, min(jobs.queued_at), jobs.guild_id;

-- name: active_members
-- Who holds how many active jobs in a guild, at any provider.
SELECT member_id, count(*) AS active
FROM jobs
WHERE guild_id = :guild_id AND state IN ('submitting', 'submitted')
GROUP BY member_id;

-- name: next_jobs
-- One candidate for each member of the guild, their oldest ready job, who was served longest ago first.
SELECT jobs.*, min(jobs.queued_at) AS oldest, coalesce(turn.served, 0) AS served
FROM jobs
LEFT JOIN member_turns AS turn ON turn.guild_id = jobs.guild_id AND turn.member_id = jobs.member_id
WHERE jobs.provider = :provider AND jobs.guild_id = :guild_id AND jobs.state = 'queued' AND jobs.discard IS NULL
      AND jobs.not_before <= :now
GROUP BY jobs.member_id
ORDER BY served, oldest, jobs.id;

-- name: starts
-- Starts that count against the guild's rate: a submission that cost nothing does not.
SELECT started_at
FROM attempts
WHERE guild_id = :guild_id AND started_at > :since AND (evidence IS NULL OR evidence NOT IN ('E0', 'E1'))
ORDER BY started_at;

-- name: insert_attempt<!
INSERT INTO attempts (job_id, guild_id, provider, capability, model, size, request_sha256, started_at)
VALUES (:job_id, :guild_id, :provider, :capability, :model, :size, :request_sha256, :started_at);

-- name: guild_served!
INSERT INTO guild_turns (provider, guild_id, served) VALUES (:provider, :guild_id, :served)
ON CONFLICT (provider, guild_id) DO UPDATE SET served = excluded.served;

-- name: member_served!
INSERT INTO member_turns (guild_id, member_id, served) VALUES (:guild_id, :member_id, :served)
ON CONFLICT (guild_id, member_id) DO UPDATE SET served = excluded.served;

-- name: member_turns
SELECT member_id, served FROM member_turns WHERE guild_id = :guild_id;

-- name: settle_attempt!
UPDATE attempts SET settled_at = :settled_at, evidence = :evidence, status = :status, retry_at = :retry_at
WHERE id = :id AND evidence IS NULL;

-- name: made_seconds
-- How long the last fifty of this model and size took from start to result.
SELECT settled_at - started_at AS seconds
FROM attempts
WHERE model = :model AND capability = :capability AND size IS :size AND evidence = 'made'
ORDER BY id DESC
LIMIT 50;
