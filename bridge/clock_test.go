package bridge

import (
	"testing"
	"time"
	"unsafe"
)

// set is t as the clock would have shown it, had it then been wrong by d and been set
// right since: what it has of the monotonic clock stays.
func set(t time.Time, d time.Duration) time.Time {
	const nanoseconds = 30 // bits of the first word of a Time that has it; then seconds
	*(*uint64)(unsafe.Pointer(&t)) += uint64(int64(d/time.Second) << nanoseconds)
	return t
}

// A clock that is set during a call, by NTP or by hand, makes it no longer.
func TestClockIsSetDuringACall(t *testing.T) {
	for _, wrong := range []time.Duration{-time.Hour, 0, time.Hour} {
		began := time.Now()
		c := &call{placedAt: set(began, wrong)}
		if off := c.placedAt.Round(0).Sub(began.Round(0)); off != wrong {
			t.Fatalf("the clock is off by %v, want %v", off, wrong)
		}
		c.note(Event{Type: CallConnected})
		c.note(Event{Type: CallEnded, Ending: &Ending{Reason: ReasonCompleted}})
		kept := c.get()
		kept.ConnectedAt, kept.EndedAt = kept.ConnectedAt.Round(0), kept.EndedAt.Round(0) // as the store has them
		if talk, most := kept.Talk(time.Now()), time.Since(began); talk < 0 || talk > most {
			t.Errorf("off by %v: talked %v in %v", wrong, talk, most)
		}
		if waited := kept.ConnectedAt.Sub(c.placedAt.Round(0)); waited < 0 || waited > time.Since(began) {
			t.Errorf("off by %v: connected after %v", wrong, waited)
		}
	}
}
