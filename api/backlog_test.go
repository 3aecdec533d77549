package api

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"tandem/store"
)

// answering answers 204 and counts; after all of it done is closed.
type answering struct {
	left atomic.Int64
	done chan struct{}
}

func (a *answering) RoundTrip(*http.Request) (*http.Response, error) {
	if a.left.Add(-1) == 0 {
		close(a.done)
	}
	return status(204), nil
}

// BenchmarkBacklog sends what was left behind, to one endpoint and to many.
func BenchmarkBacklog(b *testing.B) {
	for _, endpoints := range []int{1, 50} {
		b.Run(fmt.Sprint(endpoints, " endpoints"), func(b *testing.B) {
			h := openHooked(b)
			for i := range endpoints {
				h.endpoint(fmt.Sprintf("https://crm%d.example/hook", i))
			}
			network := &answering{done: make(chan struct{})}
			events := 0
			for events*endpoints < b.N {
				_, n := h.call()
				events += n
			}
			network.left.Store(int64(events * endpoints))
			b.ResetTimer()
			begin := time.Now()
			sender := NewSender(SenderConfig{Server: h.server, Timeout: time.Second, DisableAfter: time.Hour, Transport: network})
			<-network.done
			b.ReportMetric(float64(events*endpoints)/time.Since(begin).Seconds(), "deliveries/s")
			b.StopTimer()
			sender.Close()
		})
	}
}

var _ = store.Config{}
