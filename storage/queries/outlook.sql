-- name: queues
-- How many jobs wait in each lane that takes its turns now: those that are ready, and those that are held by their caps.
SELECT guild_id, waiting
FROM (
    SELECT guild_id, count(*) AS waiting
    FROM jobs
    WHERE provider = :provider AND state = 'queued' AND discard IS NULL
    GROUP BY guild_id
)
JOIN lanes USING (guild_id)
LEFT JOIN policies USING (guild_id)
WHERE lanes.provider = :provider AND (lanes.until IS NULL OR lanes.until = :held)
      AND (policy IS NULL OR json_extract(policy, '$.pause') IS NULL);

-- name: made_at
-- How long the last fifty jobs of a provider took, of whatever kind.
SELECT model, capability, size, settled_steady - started_steady AS seconds
FROM attempts
WHERE provider = :provider AND evidence = 'made'
ORDER BY id DESC
LIMIT 50;

-- name: made_seconds
-- How long the last fifty of this model and size took from start to result.
SELECT settled_steady - started_steady AS seconds
FROM attempts
WHERE model = :model AND capability = :capability AND size IS :size AND evidence = 'made'
ORDER BY id DESC
LIMIT 50;
