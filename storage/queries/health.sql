-- name: breakers
-- What has been learned of a provider and its models; there is no row for what was never in trouble.
SELECT model, breaker FROM breakers WHERE provider = :provider;

-- name: save_breaker!
INSERT INTO breakers (provider, model, breaker) VALUES (:provider, :model, :breaker)
ON CONFLICT (provider, model) DO UPDATE SET breaker = excluded.breaker;

-- name: every_breaker
SELECT provider, model, breaker FROM breakers ORDER BY provider, model;

-- name: newest_attempt^
SELECT max(id) AS id FROM attempts;

-- name: newest_open^
SELECT coalesce(max(id), 0) AS id
FROM attempts
WHERE provider = :provider AND evidence IS NULL AND model = :model;

-- name: newest_open_anywhere^
SELECT coalesce(max(id), 0) AS id FROM attempts WHERE provider = :provider AND evidence IS NULL;
