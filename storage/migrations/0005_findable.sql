-- Whether the film could be found again where it is being posted; NULL before that is known.
ALTER TABLE jobs ADD COLUMN findable INTEGER;
