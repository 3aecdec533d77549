-- Whom an event goes to is written after it, once for each endpoint: up to this mark.
INSERT INTO marks (name, value) VALUES ('spread', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0));
DROP INDEX deliveries_seq;
CREATE UNIQUE INDEX deliveries_seq ON deliveries (seq, endpoint_id);
