package app

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// A warning or an error that comes more often than this is left out for the rest
// of the while, and its number told after it: what floods us must not fill the
// disk. The metric counts every line.
const (
	sameLines = 100
	sameWhile = 10 * time.Second
)

// logLimit passes on what is not said too often.
type logLimit struct {
	slog.Handler
	said *sayings
}

// sayings are how often each message was logged in the present while. Messages are
// constants, so there are no more than docs/logs.md has.
type sayings struct {
	mu    sync.Mutex
	ends  time.Time
	times map[string]int
}

func limitLogs(log *slog.Logger) *slog.Logger {
	return slog.New(logLimit{log.Handler(), &sayings{}})
}

func (l logLimit) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn {
		return l.Handler.Handle(ctx, r)
	}
	again, before := l.said.again(r.Message, time.Now())
	for message, times := range before {
		if left := times - sameLines; left > 0 {
			note := slog.NewRecord(r.Time, slog.LevelWarn, "log: lines left out", 0)
			note.Add("line", message, "lines", left)
			if err := l.Handler.Handle(ctx, note); err != nil {
				return err
			}
		}
	}
	if again > sameLines {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// again counts a message; before is what the while had that has just ended, if any has.
func (s *sayings) again(message string, now time.Time) (times int, before map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !now.Before(s.ends) {
		before, s.times, s.ends = s.times, make(map[string]int), now.Add(sameWhile)
	}
	s.times[message]++
	return s.times[message], before
}

func (l logLimit) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logLimit{l.Handler.WithAttrs(attrs), l.said}
}

func (l logLimit) WithGroup(name string) slog.Handler {
	return logLimit{l.Handler.WithGroup(name), l.said}
}
