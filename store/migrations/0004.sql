-- What ended calls cost, by day (UTC), added up in the transaction of their end.
CREATE TABLE spend (
	day TEXT NOT NULL, -- 2026-11-23
	trunk TEXT NOT NULL,
	side TEXT NOT NULL,
	rep_id TEXT NOT NULL,
	currency TEXT NOT NULL,
	legs BIGINT NOT NULL,
	seconds BIGINT NOT NULL, -- billed
	amount BIGINT NOT NULL,  -- billionths
	PRIMARY KEY (day, trunk, side, rep_id, currency)
);

-- Lists are by time, newest first.
DROP INDEX calls_created;
CREATE INDEX calls_created ON calls (test, created_at, id);
DROP INDEX calls_status;
CREATE INDEX calls_status ON calls (test, status, created_at, id);
CREATE INDEX calls_outcome ON calls (test, outcome, created_at, id) WHERE outcome <> '';
DROP INDEX calls_rep;
CREATE INDEX calls_rep ON calls (rep_id, created_at, id);
CREATE INDEX calls_live ON calls (rep_id, id) WHERE status <> 'ended';
