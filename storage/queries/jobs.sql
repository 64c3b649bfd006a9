-- name: insert_job!
-- A job before anyone is told of it; a second one for the same interaction, nonce or retried job is a constraint error.
INSERT INTO jobs (id, interaction_id, guild_id, channel_id, member_id, file_limit, model, provider, request, nonce,
                  created_at, state, retry_of, has_files)
VALUES (:id, :interaction_id, :guild_id, :channel_id, :member_id, :file_limit, :model, :provider, :request, :nonce,
        :created_at, :state, :retry_of, :has_files);

-- name: retried_already^
SELECT 1 FROM jobs WHERE retry_of = :job_id AND state <> 'abandoned';

-- name: forget_abandoned_retry!
-- Nobody was told of it: the job may be retried again.
UPDATE jobs SET retry_of = NULL WHERE retry_of = :job_id AND state = 'abandoned';

-- name: job_by_id^
SELECT * FROM jobs WHERE id = :id;

-- name: admission^
-- Whether a job's interaction was seen before, and how full the queues are.
SELECT count(*) AS guild, coalesce(sum(member_id = :member_id), 0) AS member,
       EXISTS (SELECT 1 FROM jobs WHERE interaction_id = :interaction_id) AS seen
FROM jobs
WHERE guild_id = :guild_id AND state IN ('received', 'queued');

-- name: unfinished
-- What a start has to look at: open jobs, held ones that were told so, and ended ones whose member was not told.
SELECT * FROM jobs WHERE told = 0
UNION ALL SELECT * FROM jobs WHERE told = 1 AND state = 'held'
ORDER BY created_at, id;

-- name: queued_in_guild
SELECT * FROM jobs WHERE guild_id = :guild_id AND state = 'queued' AND discard IS NULL ORDER BY queued_at, rowid;

-- name: active_in_guild
SELECT * FROM jobs WHERE guild_id = :guild_id AND state IN ('submitting', 'submitted') ORDER BY started_at;

-- name: jobs_of_member
SELECT * FROM jobs WHERE guild_id = :guild_id AND member_id = :member_id ORDER BY created_at DESC, id LIMIT :limit;

-- name: recent_jobs
SELECT * FROM jobs
WHERE guild_id = :guild_id AND (:member_id IS NULL OR member_id = :member_id) AND (:state IS NULL OR state = :state)
ORDER BY created_at DESC, id
LIMIT :limit;

-- name: held_in_guild
-- The plus keeps to the index of what is held: a guild's history is long.
SELECT * FROM jobs WHERE +guild_id = :guild_id AND state = 'held' ORDER BY created_at DESC, id LIMIT 25;

-- name: expired_jobs
-- Ended jobs that still have files: as many as are removed in one go.
SELECT * FROM jobs
WHERE ended_at < :before AND has_files = 1
ORDER BY ended_at
LIMIT 500;

-- name: forget_files!
UPDATE jobs SET has_files = 0 WHERE id = :id;

-- name: files
-- Of every job that has files: its id, its film and each of its pictures.
SELECT jobs.id, json_extract(artifact, '$.name'), image.value
FROM jobs LEFT JOIN json_each(request, '$.images') AS image
WHERE has_files = 1;
