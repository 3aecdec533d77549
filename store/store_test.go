package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/bridge"
)

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Path: path, KeepEvents: 72 * time.Hour, KeepCalls: 400 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// story is a call whose events are made one after the other.
type story struct {
	record bridge.Record
}

func (c *story) next(kind bridge.EventType) (bridge.Record, bridge.Event) {
	e := bridge.Event{ID: bridge.NewID("evt"), Call: c.record.ID, Seq: c.record.Sequence + 1, Type: kind, At: time.Now()}
	switch kind {
	case bridge.CallQueued:
		e.Call = bridge.NewID("call")
		e.Asked = &bridge.Asked{RepNumber: "+14155550199", To: "+14155550123", Metadata: map[string]string{"crm_id": "7"}}
	case bridge.CallEnded:
		e.Ending = &bridge.Ending{Outcome: bridge.Completed, Reason: bridge.ReasonCompleted, By: bridge.ByRep}
	}
	c.record.Apply(e)
	return c.record.Clone(), e
}

func (c *story) emit(ctx context.Context, s *Store, kind bridge.EventType) error {
	record, e := c.next(kind)
	return s.Emit(ctx, record, e)
}

func TestEventsAndRecordsAreOne(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	var c story
	changed := s.Changed()
	for _, kind := range []bridge.EventType{bridge.CallQueued, bridge.CallRepAnswered} {
		if err := c.emit(t.Context(), s, kind); err != nil {
			t.Fatal(err)
		}
	}
	<-changed
	got, err := s.Call(t.Context(), c.record.ID)
	if err != nil || got.Status != bridge.AwaitingConfirmation || got.Sequence != 2 {
		t.Errorf("%+v %v", got, err)
	}
	envelopes, err := s.EventsAfter(t.Context(), 0, EventFilter{Types: []string{"call.rep_*"}}, 10)
	if err != nil || len(envelopes) != 1 || envelopes[0].Seq != 2 || envelopes[0].Record.Status != bridge.AwaitingConfirmation {
		t.Errorf("%+v %v", envelopes, err)
	}
	if left, err := s.Unfinished(t.Context()); err != nil || len(left) != 1 {
		t.Errorf("%v %v", left, err)
	}
	if err := c.emit(t.Context(), s, bridge.CallEnded); err != nil {
		t.Fatal(err)
	}
	if left, err := s.Unfinished(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("%v %v", left, err)
	}
	if _, err := s.Call(t.Context(), "call_none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestGapsAreRefusedAndRepeatsAreNot(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	var c story
	record, first := c.next(bridge.CallQueued)
	for range 2 { // the second by a caller who did not wait for the first
		if err := s.Emit(t.Context(), record, first); err != nil {
			t.Fatal(err)
		}
	}
	_, second := c.next(bridge.CallRepDialing)
	record, third := c.next(bridge.CallRepRinging)
	if err := s.Emit(t.Context(), record, third); !errors.Is(err, ErrSequence) {
		t.Errorf("a gap: %v", err)
	}
	if err := s.Emit(t.Context(), record, first, second, third); err != nil {
		t.Error(err)
	}
	other := second
	other.ID = bridge.NewID("evt")
	if err := s.Emit(t.Context(), record, other, third); !errors.Is(err, ErrSequence) {
		t.Errorf("another second event: %v", err)
	}
	envelopes, err := s.EventsAfter(t.Context(), 0, EventFilter{Call: record.ID}, 10)
	if err != nil || len(envelopes) != 3 || envelopes[1].Record.Rep.Status != bridge.LegDialing {
		t.Errorf("%+v %v", envelopes, err)
	}
}

func TestOneFailureFailsAlone(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	var wait sync.WaitGroup
	for i := range 256 {
		wait.Go(func() {
			var c story
			kinds := []bridge.EventType{bridge.CallQueued, bridge.CallRepDialing, bridge.CallEnded}
			for _, kind := range kinds {
				record, e := c.next(kind)
				if i%8 == 0 {
					e.Seq += 5
				}
				if err := s.Emit(t.Context(), record, e); (err != nil) != (i%8 == 0) {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	wait.Wait()
	_, newest, err := s.EventRange(t.Context())
	if err != nil || newest != 3*224 {
		t.Errorf("%d events, want %d: %v", newest, 3*224, err)
	}
}

func TestCallsArePagedNewestFirst(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	for range 5 {
		var c story
		if err := c.emit(t.Context(), s, bridge.CallQueued); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	filter := CallFilter{Limit: 2, Status: bridge.Queued, Metadata: map[string]string{"crm_id": "7"}}
	for {
		page, more, err := s.Calls(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			ids = append(ids, r.ID)
		}
		if !more {
			break
		}
		filter.Before = page[len(page)-1].ID
	}
	if len(ids) != 5 || ids[0] < ids[4] {
		t.Errorf("listed %v", ids)
	}
	if page, _, err := s.Calls(t.Context(), CallFilter{Limit: 2, Metadata: map[string]string{"crm_id": "8"}}); err != nil || len(page) != 0 {
		t.Errorf("%v %v", page, err)
	}
}

// TestMain is also the process that TestKilled kills.
func TestMain(m *testing.M) {
	if path := os.Getenv("TANDEM_TEST_KILLED"); path != "" {
		s, err := Open(context.Background(), Config{Path: path})
		if err != nil {
			panic(err)
		}
		for {
			var c story
			if err := c.emit(context.Background(), s, bridge.CallQueued); err != nil {
				panic(err)
			}
			fmt.Println(c.record.ID) // acknowledged
		}
	}
	os.Exit(m.Run())
}

func TestKilledProcessLosesNothingAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "TANDEM_TEST_KILLED="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var acknowledged []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if acknowledged = append(acknowledged, lines.Text()); len(acknowledged) == 50 {
			_ = child.Process.Kill()
		}
	}
	_ = child.Wait()
	s := open(t, path)
	for _, id := range acknowledged {
		if _, err := s.Call(t.Context(), strings.TrimSpace(id)); err != nil && len(id) == 31 {
			t.Error(err)
		}
	}
	if len(acknowledged) < 50 {
		t.Errorf("only %d writes", len(acknowledged))
	}
}

func TestFullDiskRefusesAndHeals(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	limit := func(pages string) {
		if _, err := s.tx.conn.ExecContext(t.Context(), "PRAGMA max_page_count = "+pages); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	limit("40")
	for range 1000 {
		var c story
		if err = c.emit(t.Context(), s, bridge.CallQueued); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("a full disk said %v", err)
	}
	limit("1000000")
	var c story
	if err := c.emit(t.Context(), s, bridge.CallQueued); err != nil {
		t.Error(err)
	}
}

func TestDamagedAndNewerFilesAreRefused(t *testing.T) {
	damaged := filepath.Join(t.TempDir(), "damaged.db")
	if err := os.WriteFile(damaged, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Path: damaged}); err == nil || !strings.Contains(err.Error(), "restore it") {
		t.Errorf("got %v", err)
	}
	newer := filepath.Join(t.TempDir(), "newer.db")
	s := open(t, newer)
	if _, err := s.tx.conn.ExecContext(t.Context(), "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Path: newer}); err == nil || !strings.Contains(err.Error(), "newer tandem") {
		t.Errorf("got %v", err)
	}
}

func TestPruneKeepsWhatIsYoung(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	var c story
	for _, kind := range []bridge.EventType{bridge.CallQueued, bridge.CallEnded} {
		if err := c.emit(t.Context(), s, kind); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		after  time.Duration
		oldest int64
		kept   bool
	}{{time.Hour, 1, true}, {100 * time.Hour, 3, true}, {500 * 24 * time.Hour, 3, false}} {
		if err := s.Prune(t.Context(), time.Now().Add(tt.after)); err != nil {
			t.Fatal(err)
		}
		oldest, newest, err := s.EventRange(t.Context())
		_, missing := s.Call(t.Context(), c.record.ID)
		if err != nil || oldest != tt.oldest || newest != 2 || (missing == nil) != tt.kept {
			t.Errorf("after %v: %d to %d, %v, %v", tt.after, oldest, newest, err, missing)
		}
	}
}

func TestLegsAreKeptUntilGone(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	for _, doc := range []string{`{"a":1}`, `{"a":2}`} {
		if err := s.SaveLeg(t.Context(), bridge.SavedLeg{Call: "call_1", Side: bridge.Rep, SIPCallID: "x@y", Doc: []byte(doc)}, bridge.Record{}); err != nil {
			t.Fatal(err)
		}
	}
	if docs, err := s.LiveLegs(t.Context()); err != nil || len(docs) != 1 || string(docs[0]) != `{"a":2}` {
		t.Errorf("%q %v", docs, err)
	}
	if err := s.SaveLeg(t.Context(), bridge.SavedLeg{SIPCallID: "x@y", Gone: true}, bridge.Record{}); err != nil {
		t.Fatal(err)
	}
	if docs, err := s.LiveLegs(t.Context()); err != nil || len(docs) != 0 {
		t.Errorf("%q %v", docs, err)
	}
}

func TestFiveClaimsOneWins(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	var wait sync.WaitGroup
	won := make(chan string, 5)
	for i := range 5 {
		wait.Go(func() {
			c := Claim{Scope: "k POST /v1/calls", Key: "once", BodyHash: "h", CallID: fmt.Sprint("call_", i)}
			prior, err := s.Claim(t.Context(), c)
			if err != nil {
				t.Error(err)
			} else if prior == nil {
				won <- c.CallID
			}
		})
	}
	wait.Wait()
	if len(won) != 1 {
		t.Fatalf("%d won", len(won))
	}
	c := Claim{Scope: "k POST /v1/calls", Key: "once"}
	if err := s.Answered(t.Context(), c, Answer{Status: 201, Header: map[string]string{"Location": "/x"}, Body: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	prior, err := s.Claim(t.Context(), c)
	if err != nil || prior == nil || prior.Status != 201 || prior.CallID != <-won || prior.Answer.Header["Location"] != "/x" {
		t.Errorf("%+v %v", prior, err)
	}
	c.Key = "dropped"
	for range 2 {
		if prior, err := s.Claim(t.Context(), c); err != nil || prior != nil {
			t.Errorf("%+v %v", prior, err)
		}
		if err := s.Unclaim(t.Context(), c); err != nil {
			t.Error(err)
		}
	}
}

func TestKeys(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	key, plain, err := s.CreateKey(t.Context(), Key{Name: "crm", Scopes: []string{"calls:write"}})
	if err != nil || !strings.HasPrefix(plain, "tdm_live_"+key.ID+"_") {
		t.Fatal(plain, err)
	}
	if got, err := s.Authenticate(t.Context(), plain); err != nil || got.ID != key.ID || !got.Allows("calls:write") || got.Allows("calls:read") {
		t.Errorf("%+v %v", got, err)
	}
	other := "0" // than the secret's last character
	if plain[len(plain)-7] == '0' {
		other = "1"
	}
	forged := plain[:len(plain)-7] + other
	forged += checksum(forged)
	for _, bad := range []string{"", "tdm_live_", plain[1:], plain + "x", strings.ToUpper(plain), forged} {
		if _, err := s.Authenticate(t.Context(), bad); !errors.Is(err, ErrInvalidKey) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	_, old, err := s.CreateKey(t.Context(), Key{Name: "old", Scopes: []string{"admin"}, ExpiresAt: time.Now().Add(-time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), old); !errors.Is(err, ErrExpiredKey) {
		t.Errorf("got %v", err)
	}
	if err := s.RevokeKey(t.Context(), key.ID); err != nil {
		t.Error(err)
	}
	if _, err := s.Authenticate(t.Context(), plain); !errors.Is(err, ErrInvalidKey) {
		t.Errorf("a revoked key: %v", err)
	}
	if err := s.RevokeKey(t.Context(), key.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	if _, _, err := s.CreateKey(t.Context(), Key{Name: "x", Scopes: []string{"calls"}}); err == nil {
		t.Error("a scope that is not")
	}
	keys, err := s.Keys(t.Context())
	if err != nil || len(keys) != 2 || keys[0].RevokedAt.IsZero() || keys[0].LastUsedAt.IsZero() {
		t.Errorf("%+v %v", keys, err)
	}
}

// TestTheTestedPhoneIsMarked: what was rung is what is verified, and nothing that the
// rep has set meanwhile.
func TestTheTestedPhoneIsMarked(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	const number = "+14155550199"
	for _, tt := range []struct {
		name, number, extension string
		outcome                 bridge.Outcome
		marked                  bool
	}{
		{"the same", number, "7", bridge.Completed, true},
		{"another number", "+14155550198", "7", bridge.Completed, false},
		{"another extension", number, "8", bridge.Completed, false},
		{"no 1 came", number, "7", bridge.RepNotConfirmed, false},
	} {
		rep, err := s.CreateRep(t.Context(), Rep{Name: tt.name, Region: "US", Number: tt.number, Extension: tt.extension})
		if err != nil {
			t.Fatal(err)
		}
		record := bridge.Record{}
		for i, e := range []bridge.Event{
			{Type: bridge.CallQueued, Asked: &bridge.Asked{Kind: bridge.Verification, RepID: rep.ID, RepNumber: number, RepExtension: "7", To: number}},
			{Type: bridge.CallRepConfirmed},
			{Type: bridge.CallEnded, Ending: &bridge.Ending{Outcome: tt.outcome}},
		} {
			e.ID, e.Call, e.Seq, e.At = bridge.NewID("evt"), record.ID, i+1, time.Now()
			if i == 0 {
				e.Call = bridge.NewID("call")
			}
			record.Apply(e)
			if err := s.Emit(t.Context(), record.Clone(), e); err != nil {
				t.Fatal(err)
			}
		}
		if rep, err = s.Rep(t.Context(), false, rep.ID); err != nil || rep.VerifiedAt.IsZero() == tt.marked {
			t.Errorf("%s: %v %v", tt.name, rep.VerifiedAt, err)
		}
	}
}

// TestARotatedKeyGoesOnForAWhile: the new one is as the old one was.
func TestARotatedKeyGoesOnForAWhile(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	office := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	old, oldPlain, err := s.CreateKey(t.Context(), Key{Name: "crm", Test: true, Scopes: []string{"calls:read"}, CIDRs: office})
	if err != nil {
		t.Fatal(err)
	}
	fresh, plain, err := s.RotateKey(t.Context(), old.ID, time.Hour)
	if err != nil || fresh.ID == old.ID || !fresh.Test || fresh.Name != "crm" || !slices.Equal(fresh.Scopes, old.Scopes) || !slices.Equal(fresh.CIDRs, office) || !fresh.ExpiresAt.IsZero() {
		t.Fatalf("%+v %v", fresh, err)
	}
	for _, each := range []string{oldPlain, plain} {
		if _, err := s.Authenticate(t.Context(), each); err != nil {
			t.Errorf("meanwhile: %v", err)
		}
	}
	if _, _, err := s.RotateKey(t.Context(), old.ID, -time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), oldPlain); !errors.Is(err, ErrExpiredKey) {
		t.Errorf("afterwards: %v", err)
	}
	if _, _, err := s.RotateKey(t.Context(), "none", time.Hour); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func FuzzSplitKey(f *testing.F) {
	f.Add("tdm_live_0123456789_abcdefghijklmnopqrstuvwxyz012345678901")
	f.Fuzz(func(t *testing.T, text string) {
		if id, secret, ok := splitKey(text); ok && livePrefix+id+"_"+secret != text && testPrefix+id+"_"+secret != text {
			t.Errorf("%q became %q and %q", text, id, secret)
		}
	})
}

func TestParseURL(t *testing.T) {
	if path, err := ParseURL("sqlite:///var/lib/tandem.db"); err != nil || path != "/var/lib/tandem.db" {
		t.Errorf("%q %v", path, err)
	}
	for _, bad := range []string{"", "postgres://x", "sqlite://tandem.db", "/var/lib/tandem.db"} {
		if _, err := ParseURL(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// BenchmarkEmit prints what a durable transition costs with many calls at once.
// BenchmarkListed is one of the rows that are read before a number is dialled.
func BenchmarkListed(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "tandem.db"))
	for b.Loop() {
		if _, _, err := s.Listed(b.Context(), "+12062000001"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEmit(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "t.db"))
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		var c story
		kind := bridge.CallQueued
		for pb.Next() {
			if err := c.emit(b.Context(), s, kind); err != nil {
				b.Error(err)
			}
			kind = bridge.CallUpdated
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "transitions/s")
}

// TestOpenMakesItsFolder: the first start on a fresh machine works.
func TestOpenMakesItsFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lib", "tandem")
	s, err := Open(t.Context(), Config{Path: filepath.Join(dir, "t.db")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Path: filepath.Join(file, "t.db")}); err == nil || !strings.Contains(err.Error(), "store.url") {
		t.Errorf("below a file: %v", err)
	}
}
