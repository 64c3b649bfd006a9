-- name: active_at_provider^
SELECT count(*) AS active FROM jobs WHERE provider = :provider AND state IN ('submitting', 'submitted');

-- name: active_members
-- Who holds how many active jobs in a guild, at any provider.
SELECT member_id, count(*) AS active
FROM jobs
WHERE guild_id = :guild_id AND state IN ('submitting', 'submitted')
GROUP BY member_id;

-- name: next_of_guild^
-- The oldest job that may start, of the first member in the ring who has one. Nobody is put off beyond :horizon:
-- further away, the clock was set back. Lists have each name on a line; CROSS keeps to the order of the ring.
SELECT jobs.*
FROM ring CROSS JOIN jobs ON jobs.guild_id = ring.guild_id AND jobs.member_id = ring.member_id
WHERE ring.guild_id = :guild_id AND NOT instr(:capped, char(10) || ring.member_id || char(10))
      AND jobs.state = 'queued' AND jobs.discard IS NULL
      AND instr(:providers, char(10) || jobs.provider || char(10))
      AND (jobs.not_before <= :now OR jobs.not_before > :horizon)
      AND NOT instr(:left_out, char(10) || jobs.model || char(10))
ORDER BY ring.place, jobs.queued_at, jobs.rowid
LIMIT 1;

-- name: waiting_models
-- What waits in a lane, and when the first one of each model that was put off is due.
SELECT model, min(CASE WHEN not_before > :now THEN not_before END) AS due
FROM jobs
WHERE provider = :provider AND guild_id = :guild_id AND state = 'queued' AND discard IS NULL
GROUP BY model;

-- name: starts
-- Starts that count against the guild's rate: a submission that cost nothing does not.
SELECT started_steady
FROM attempts
WHERE guild_id = :guild_id AND started_steady > :since AND (evidence IS NULL OR evidence NOT IN ('E0', 'E1'))
ORDER BY started_steady;

-- name: spent
-- What a guild has reserved or paid since; what is under way comes last.
SELECT price, settled_steady
FROM attempts
WHERE guild_id = :guild_id AND price > 0 AND settled_steady > :since
      AND (evidence IS NULL OR evidence NOT IN ('E0', 'E1', 'withdrawn'))
ORDER BY settled_steady;

-- name: last_attempt^
SELECT started_steady, started_at, boot FROM attempts ORDER BY id DESC LIMIT 1;

-- name: insert_attempt<!
INSERT INTO attempts (job_id, guild_id, provider, capability, model, size, request_sha256, price, started_at,
                      started_steady, boot)
VALUES (:job_id, :guild_id, :provider, :capability, :model, :size, :request_sha256, :price, :started_at,
        :started_steady, :boot);

-- name: settle_attempt!
UPDATE attempts
SET settled_at = :settled_at, settled_steady = :settled_steady, evidence = :evidence, status = :status,
    retry_at = :retry_at
WHERE id = :id AND evidence IS NULL;
