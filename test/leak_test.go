package test

import (
	"flag"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tandem/bridge"
	"tandem/test/carrier"
)

var leakCalls = flag.Int("leak.calls", 100, "calls of TestCallsLeaveNothing; 1000 take ten seconds without -race")

// TestCallsLeaveNothing plays calls through the whole of tandem, and counts what
// is left: no goroutine, so no leg's actor and with it no dialog; no socket, so no
// port. TestLoss does the same to ten thousand calls without API and store.
func TestCallsLeaveNothing(t *testing.T) {
	s := setup{
		yaml:    "call_flow: {one_call_per_rep: false}\nmedia: {rtp_ports: 20000-23999}",
		carrier: func(o *carrier.Options) { o.Quiet = true },
		phones: map[string]act{
			repNumber:      rings(200*time.Millisecond, answers(0, waits(300*time.Millisecond, presses('1', stays)))),
			prospectNumber: rings(200*time.Millisecond, answers(0, hangsUpAfter(500*time.Millisecond))),
		},
	}
	inWorld(t, s, func(w *world) {
		w.net.Tap = nil     // so many ladders are not drawn
		w.events(w.place()) // what is made at the first call stays
		<-time.After(3 * time.Minute)
		before, sockets := goroutines(), w.net.Open()

		var ids []string
		for range *leakCalls {
			ids = append(ids, w.place())
			<-time.After(100 * time.Millisecond)
		}
		for _, id := range ids {
			events := w.events(id)
			if end := events[len(events)-1].Record.Ending; end.Reason != bridge.ReasonCompleted {
				w.t.Errorf("call %s ended %+v", id, end)
			}
		}
		w.http.CloseIdleConnections()
		<-time.After(3 * time.Minute) // every transaction and tombstone expires
		if after := goroutines(); after > before {
			w.t.Errorf("%d goroutines before, %d after", before, after)
		}
		if open := w.net.Open(); open != sockets {
			w.t.Errorf("%d sockets before, %d after", sockets, open)
		}
		for _, call := range w.carrier.Calls() {
			if final, acked, byes, byeSent := call.Fate(); final != 200 || !acked || byes == 0 && !byeSent {
				w.t.Errorf("a call to %s was left: final %d, ACKed %v", call.Number, final, acked)
			}
		}
	})
}

// bubble is what a stack says of the bubble it is in.
var bubble = regexp.MustCompile(`synctest bubble [0-9]+[^0-9]`)

// goroutines is how many the bubble has once all has come to rest. The runtime's
// own, such as that of finalizers, are in none.
func goroutines() int {
	synctest.Wait()
	stacks := make([]byte, 8<<20)
	all := string(stacks[:runtime.Stack(stacks, true)])
	return strings.Count(all, bubble.FindString(all)) // the first is the one that asks
}
