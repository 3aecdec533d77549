package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// lossy passes SIP between tandem and a carrier, and loses and doubles some.
type lossy struct {
	conn                    *net.UDPConn
	carrier                 *net.UDPAddr
	random                  *rand.Rand
	lost, doubled           float64
	edit                    func(message []byte, fromCarrier bool) []byte // nil for one that is lost; may be nil itself
	passed, dropped, copied atomic.Int64
}

func startLossy(t *testing.T, seed uint64, lost, doubled float64) *lossy {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	l := &lossy{conn: conn, random: rand.New(rand.NewPCG(seed, seed)), lost: lost, doubled: doubled}
	t.Cleanup(func() { _ = conn.Close() })
	return l
}

func (l *lossy) port() int { return l.conn.LocalAddr().(*net.UDPAddr).Port }

// serve passes on until the socket is closed: what comes from the carrier to
// whoever spoke last of the others.
func (l *lossy) serve(port int) {
	l.carrier = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
	go func() {
		var other *net.UDPAddr
		b := make([]byte, 65535)
		for {
			n, from, err := l.conn.ReadFromUDP(b)
			if err != nil {
				return
			}
			to := other
			if from.Port != port {
				other, to = from, l.carrier
			}
			message := b[:n]
			if l.edit != nil {
				message = l.edit(message, from.Port == port)
			}
			times := 1
			switch luck := l.random.Float64(); {
			case luck < l.lost:
				times = 0
				l.dropped.Add(1)
			case luck < l.lost+l.doubled:
				times = 2
				l.copied.Add(1)
			}
			l.passed.Add(1)
			if message == nil {
				times = 0
			}
			for range times {
				_, _ = l.conn.WriteToUDP(message, to)
			}
		}
	}()
}

// TestSIPpLoss: over a network that loses 10 % of all SIP messages and doubles 5 %,
// every call is connected and hung up, and nobody's phone rings twice.
func TestSIPpLoss(t *testing.T) {
	t.Parallel()
	const calls = 12
	far := make(map[string]*sipp)
	networks := make(map[string]*lossy)
	for i, side := range []string{"rep", "prospect"} {
		networks[side] = startLossy(t, uint64(i+1), 0.10, 0.05)
		far[side] = startSIPp(t, "lossy", "contact", fmt.Sprintf("127.0.0.1:%d", networks[side].port()), "calls", fmt.Sprint(calls))
		networks[side].serve(far[side].port)
	}
	s := newServer(t, sippTrunk("reps", networks["rep"].port())+sippTrunk("outside", networks["prospect"].port())+legRoutes)
	s.start()
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() {
			id := s.place(fmt.Sprintf("+120255501%02d", 10+i), fmt.Sprintf("+120255501%02d", 40+i))
			s.reaches(id, "awaiting_confirmation")
			if code, problem := s.do("POST", "/v1/calls/"+id+"/confirm", ""); code >= 300 {
				t.Errorf("confirm: %d %v", code, problem)
				return
			}
			s.reaches(id, "in_progress")
			s.hangup(id)
			s.ends(id, "completed", "completed", "api")
		})
	}
	all.Wait()
	for side, l := range networks {
		far[side].finished()
		dialled := make(map[string]bool)
		for _, m := range far[side].received() {
			if _, rest, ok := strings.Cut(m, "Call-ID: "); ok && strings.HasPrefix(m, "INVITE ") {
				dialled[strings.Fields(rest)[0]] = true
			}
		}
		t.Logf("%s: of %d messages %d were lost, %d doubled", side, l.passed.Load(), l.dropped.Load(), l.copied.Load())
		if l.dropped.Load() == 0 || l.copied.Load() == 0 {
			t.Error("the network lost or doubled nothing")
		}
		if len(dialled) != calls {
			t.Errorf("%d INVITEs to the %ss, want %d", len(dialled), side, calls)
		}
	}
}
