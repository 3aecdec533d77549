package app

import (
	"context"
	"log/slog"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// logCounter counts what is logged, by level, and passes it on.
type logCounter struct {
	slog.Handler
	lines *prometheus.CounterVec
}

// countLogs is log, with its lines counted.
func countLogs(log *slog.Logger, reg prometheus.Registerer) *slog.Logger {
	c := logCounter{log.Handler(), prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tandem_log_messages_total", Help: "Lines that were logged, by level.",
	}, []string{"level"})}
	reg.MustRegister(c.lines)
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		c.lines.WithLabelValues(strings.ToLower(level.String()))
	}
	return slog.New(c)
}

func (c logCounter) Handle(ctx context.Context, r slog.Record) error {
	c.lines.WithLabelValues(strings.ToLower(r.Level.String())).Inc()
	return c.Handler.Handle(ctx, r)
}

func (c logCounter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logCounter{c.Handler.WithAttrs(attrs), c.lines}
}

func (c logCounter) WithGroup(name string) slog.Handler {
	return logCounter{c.Handler.WithGroup(name), c.lines}
}
