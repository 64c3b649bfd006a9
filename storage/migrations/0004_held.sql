-- What a start has to know of although its member was told: nobody else would end it when its guild is left (R14).
CREATE INDEX jobs_held ON jobs (created_at) WHERE state = 'held';
