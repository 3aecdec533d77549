CREATE TABLE do_not_call (
	number TEXT PRIMARY KEY, -- E.164
	reason TEXT NOT NULL,
	added_at BIGINT NOT NULL
);

-- Every time a prospect was dialled, by live keys.
CREATE TABLE attempts (number TEXT NOT NULL, at BIGINT NOT NULL);
CREATE INDEX attempts_number ON attempts (number, at);
CREATE INDEX attempts_at ON attempts (at);
