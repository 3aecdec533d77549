-- A list by metadata is read from the index, in the order of time.
ALTER TABLE call_metadata ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0; -- of the call
UPDATE call_metadata SET created_at = (SELECT created_at FROM calls WHERE calls.id = call_id);
DROP INDEX call_metadata_value;
CREATE INDEX call_metadata_value ON call_metadata (key, value, created_at, call_id);

-- A rep's own stream, from days ago, passes over nobody else's events.
CREATE INDEX events_rep ON events (rep_id, seq) WHERE rep_id <> '';
