package api

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tandem/store"
)

var (
	carrierDown = json.RawMessage(`{"object":"trunk","name":"carrier","up":false}`)
	carrierUp   = json.RawMessage(`{"object":"trunk","name":"carrier","up":true}`)
)

// turns has a trunk say twice that it is down, and then that it is up.
func turns(t *testing.T, s *store.Store) {
	t.Helper()
	for _, err := range []error{
		s.TrunkTurned(t.Context(), "carrier", false, carrierDown),
		s.TrunkTurned(t.Context(), "carrier", false, carrierDown),
		s.TrunkTurned(t.Context(), "carrier", true, carrierUp),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTrunkEventsAreSentToWebhooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := &hook{}
		h := newHooked(t, crm)
		defer h.close()
		h.endpoint("https://crm.example.com/trunks", "trunk.*")
		h.endpoint("https://crm.example.com/calls", "call.*")
		turns(t, h.store)
		settle(time.Minute)
		var got []string
		for _, e := range crm.taken() {
			trunk := e.Data.(map[string]any)
			got = append(got, string(e.Type))
			if trunk["name"] != "carrier" || trunk["up"] != (e.Type == store.TrunkUp) {
				t.Errorf("%s: %v", e.Type, trunk)
			}
		}
		if want := []string{"trunk.down", "trunk.up"}; !slices.Equal(got, want) {
			t.Errorf("sent %q, want %q", got, want)
		}
	})
}

func TestTrunkEventsAreStreamed(t *testing.T) {
	r := newRig(t, store.Key{})
	turns(t, r.store)
	if _, page := r.do("GET", "/v1/events?types=trunk.down", ""); len(page["data"].([]any)) != 1 {
		t.Errorf("trunk.down: %v", page)
	}
	server := httptest.NewServer(r.s)
	defer server.Close()
	defer r.s.Close()
	q, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/v1/events?types=trunk.*&after=0", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.SetBasicAuth(r.key, "")
	q.Header.Set("Accept", "text/event-stream")
	res, err := server.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got []string
	for lines := bufio.NewScanner(res.Body); len(got) < 4 && lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, "event: ") || strings.HasPrefix(line, "data: ") {
			got = append(got, line)
		}
	}
	if len(got) != 4 || got[0] != "event: trunk.down" || !strings.Contains(got[1], `"data":`+string(carrierDown)) ||
		got[2] != "event: trunk.up" || !strings.Contains(got[3], `"data":`+string(carrierUp)) {
		t.Errorf("streamed %q", got)
	}
}
