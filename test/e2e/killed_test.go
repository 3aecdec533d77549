package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tandem/test/carrier"
)

var crashCalls = flag.Int("crash.calls", 30, "calls of TestKilledAtRandom; 500 take five minutes")

// consumer is a CRM that stays while tandem comes and goes.
type consumer struct {
	*testing.T
	mu     sync.Mutex
	events map[string][]string // ids of a call's events, in the order they first came
	taken  map[string]bool     // by id of the event
	again  int                 // events that came although they had been taken
	last   time.Time           // when one came
}

// idle is for how long nothing has come: a busy machine takes its time for thousands.
func (c *consumer) idle() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.last)
}

func (c *consumer) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var event struct {
		ID   string
		Data struct{ ID string }
	}
	if err != nil {
		return // its sender was killed
	}
	if err := json.Unmarshal(body, &event); err != nil {
		c.Errorf("%v: %s", err, body)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last = time.Now(); c.taken[event.ID] {
		c.again++
		return
	}
	c.taken[event.ID] = true
	c.events[event.Data.ID] = append(c.events[event.Data.ID], event.ID)
}

func (c *consumer) of(call string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events[call])
}

// TestKilledAtRandom kills the process again and again while calls go on, also while
// it starts. Each request is repeated under its key until it is answered. In the end
// there is one call for each key, every call has its one end, no leg is left, nobody
// was dialled twice, and the CRM has every event of every call, in order.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	c := openCarrier(t, fickle)
	crm := &consumer{T: t, events: make(map[string][]string), taken: make(map[string]bool)}
	hook := httptest.NewServer(crm)
	defer hook.Close()
	s := newServer(t, digestTrunk(c.Addr().Port()))
	s.env = append(s.env, "TANDEM_WEBHOOKS__ALLOW_PRIVATE_NETWORKS=true")
	s.start()
	if code, problem := s.do("POST", "/v1/webhook-endpoints", `{"url":"`+hook.URL+`","types":["call.*"]}`); code != 201 {
		t.Fatalf("%d %v", code, problem)
	}

	ids := make([]string, *crashCalls)
	var next atomic.Int32
	var callers sync.WaitGroup
	for rep := range 10 {
		callers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(ids); i = int(next.Add(1)) - 1 {
				ids[i] = s.stubborn(rep, i)
			}
		})
	}
	over := make(chan struct{})
	go func() { callers.Wait(); close(over) }()
	kills := s.killUntil(over)

	s.until("it is ready", s.comesUp)
	dialled := make(map[string]int)
	for _, leg := range c.Calls() {
		dialled[leg.Number]++
		final, acked, byes, sent := leg.Fate()
		over := func() bool {
			final, acked, byes, sent = leg.Fate()
			return final != 0 && (final != 200 || acked && (byes > 0 || sent))
		}
		for begin := time.Now(); !over() && time.Since(begin) < time.Minute; {
			time.Sleep(50 * time.Millisecond)
		}
		if !over() {
			t.Errorf("the leg to %s is left: final %d, ACKed %v, %d BYEs, hung up %v", leg.Number, final, acked, byes, sent)
		}
	}
	events, outcomes := 0, make(map[any]int)
	for i, id := range ids {
		call, want := s.wholeCall(id)
		outcomes[call["outcome"]]++
		events += len(want)
		for len(crm.of(id)) < len(want) && crm.idle() < time.Minute {
			time.Sleep(50 * time.Millisecond)
		}
		if got := crm.of(id); !slices.Equal(got, want) {
			t.Errorf("%s: the CRM got\n%v, there are\n%v", id, got, want)
		}
		if n := dialled[prospect(i)]; n > 1 {
			t.Errorf("%s: the prospect was dialled %d times", id, n)
		}
	}
	if n := s.calls(); n != len(ids) {
		t.Errorf("%d keys made %d calls", len(ids), n)
	}
	t.Logf("%d kills, %d calls: %v; %d events, %d of them twice", kills, len(ids), outcomes, events, crm.again)
}

// prospect is whom the nth call is to, in digits.
func prospect(n int) string { return fmt.Sprintf("1202555%04d", 2000+n) }

// fickle is what phones do: reps 1… press 1 or decline, prospects 2… do all they may.
func fickle(number string) carrier.Script {
	some := func(most time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(most))) }
	return func(c *carrier.Call) {
		what := rand.IntN(10)
		if c.Ring(); !c.Wait(some(2 * time.Second)) {
			return
		}
		switch {
		case what == 0:
			c.Reject("486 Busy Here", "")
		case number[len(number)-4] == '2':
			if what == 1 {
				c.Early(carrier.ProspectTone)
				c.Wait(some(2 * time.Second))
			}
			c.Answer(carrier.ProspectTone)
			c.Wait(some(4 * time.Second))
		default:
			c.Answer(carrier.RepTone)
			if c.Listen() && c.Wait(some(2*time.Second)) {
				c.PressEvent('1')
				<-c.Over()
			}
		}
	}
}

// stubborn places a call and waits for its end, whatever befalls the server.
func (s *server) stubborn(rep, n int) (id string) {
	body := fmt.Sprintf(`{"rep_number":"+12025551%03d","to":"+%s"}`, rep, prospect(n))
	for {
		code, answer, err := s.try("POST", "/v1/calls", body, "Idempotency-Key", fmt.Sprint("call ", n))
		if id, _ = answer["id"].(string); err == nil && code == 201 {
			break
		}
		if err == nil && code != 409 && code != 503 {
			s.Errorf("call %d: %d %v", n, code, answer)
			return ""
		}
		time.Sleep(50 * time.Millisecond)
	}
	for {
		code, answer, err := s.try("GET", "/v1/calls/"+id, "")
		if err == nil && code != 200 {
			s.Errorf("call %d was lost: %d %v", n, code, answer)
			return id
		}
		if answer["status"] == "ended" {
			return id
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// comesUp reports whether the process is ready. One that found its port taken, by a
// test that looked for a free one just then, is started again.
func (s *server) comesUp() bool {
	var status syscall.WaitStatus
	if pid, err := syscall.Wait4(s.process.Process.Pid, &status, syscall.WNOHANG, nil); err == nil && pid > 0 {
		if !strings.HasSuffix(strings.TrimSpace(s.log.String()), "address already in use") {
			s.Fatal("it ended by itself")
		}
		s.launch()
	}
	code, _, err := s.try("GET", "/readyz", "")
	return err == nil && code == 200
}

// killUntil kills the process and starts it again, thrice and until all is over. The
// last one lives.
func (s *server) killUntil(over chan struct{}) (kills int) {
	s.Helper()
	for {
		life := time.Duration(rand.Int64N(int64(6 * time.Second)))
		if kills%5 == 4 {
			life /= 10 // while it starts
		} else {
			s.until("it is ready", s.comesUp)
		}
		select {
		case <-over:
			if kills >= 3 {
				return kills
			}
		case <-time.After(life):
		}
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
		kills++
		s.launch()
	}
}

// wholeCall is a call that has ended, and the ids of its events, without a gap.
func (s *server) wholeCall(id string) (call map[string]any, ids []string) {
	s.Helper()
	_, call = s.do("GET", "/v1/calls/"+id, "")
	if call["status"] != "ended" || call["outcome"] == nil || call["reason"] == nil {
		s.Errorf("%s has no end: %v", id, call)
	}
	_, history := s.do("GET", "/v1/calls/"+id+"/events", "")
	ends := 0
	for i, event := range history["data"].([]any) {
		e := event.(map[string]any)
		ids = append(ids, e["id"].(string))
		if n := e["data"].(map[string]any)["sequence"]; n != float64(i+1) {
			s.Errorf("%s: event %d has sequence %v", id, i+1, n)
		}
		if e["type"] == "call.ended" {
			ends++
		}
	}
	if ends != 1 {
		s.Errorf("%s ended %d times", id, ends)
	}
	return call, ids
}

// calls counts all there are.
func (s *server) calls() (n int) {
	s.Helper()
	for cursor := ""; ; {
		_, page := s.do("GET", "/v1/calls?limit=200"+cursor, "")
		n += len(page["data"].([]any))
		next, more := page["next_cursor"].(string)
		if !more {
			return n
		}
		cursor = "&cursor=" + strings.TrimSpace(next)
	}
}
