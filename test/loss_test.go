package test

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var lossCalls = flag.Int("loss.calls", 600, "calls of TestLoss; 10000 take half a minute without -race")

// lossBatch is how many calls share a network.
const lossBatch = 200

// TestLoss places calls over a network that loses, doubles and reorders what it
// carries: no leg is orphaned, no call is without its one end, no prospect is
// dialled twice, and all the other rules hold. What each call meets follows from
// its seed, which its test's name tells.
func TestLoss(t *testing.T) {
	for batch := range (*lossCalls + lossBatch - 1) / lossBatch {
		loss := []float64{0.05, 0.10, 0.30}[batch%3]
		path := Path{Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: loss, Duplicate: 0.05, Reorder: 0.05}
		t.Run(fmt.Sprintf("seed %d, %.0f %%", batch+1, 100*loss), func(t *testing.T) {
			t.Parallel()
			inExchange(t, uint64(batch+1), path, func(x *exchange) {
				for i := range lossBatch {
					x.place(i)
					<-time.After(50 * time.Millisecond)
				}
				x.bridge.Drain(x.t.Context())
				<-time.After(time.Minute) // what was lost is said again
				x.t.Log(x.check(true, 150*time.Millisecond))
			})
		})
	}
}
