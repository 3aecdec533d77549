package sip

import (
	"context"
	"log/slog"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// maxDatagram is the largest UDP payload there is. sipgo would refuse to send
// more than 1300 bytes; a fragmented INVITE is better than none.
const maxDatagram = 65507

// defaultT1 is RFC 3261's, and sipgo's.
const defaultT1 = 500 * time.Millisecond

var (
	libraryOnce sync.Once
	timersMu    sync.Mutex
	timersT1    = defaultT1
)

// configureLibrary sets what sipgo keeps in package variables. It reads them
// without locks, so they are written once, and T1 only where it differs.
func configureLibrary(t1 time.Duration) {
	libraryOnce.Do(func() {
		sipmsg.UDPMTUSize = maxDatagram + 200 // it takes 200 off
		sipmsg.TransportBufferReadSize = 65535
		sipmsg.SetDefaultLogger(quietLogger(slog.Default()))
	})
	timersMu.Lock()
	defer timersMu.Unlock()
	if t1 > 0 && t1 != timersT1 {
		sipmsg.SetTimers(t1, 8*t1, 10*t1) // T2 and T4 keep their proportion (RFC 3261, table 4)
		timersT1 = t1
	}
}

// quietLogger makes sipgo's log lines debug lines, whatever they think of
// themselves: some print whole messages with their telephone numbers, and
// a retransmission is no error.
func quietLogger(log *slog.Logger) *slog.Logger {
	return slog.New(quiet{log.Handler()})
}

type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, _ slog.Level) bool {
	return q.Handler.Enabled(ctx, slog.LevelDebug)
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return q.Handler.Handle(ctx, r)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
