package bridge

import (
	"context"
	"errors"
	"testing"
	"time"
)

// memory is a Past that a test writes.
type memory struct {
	listed    map[string]string
	attempts  int
	spent     Money
	voicemail time.Duration
	err       error
	mute      error // of voicemails only
}

func (m *memory) Listed(_ context.Context, number string) (bool, string, error) {
	why, listed := m.listed[number]
	return listed, why, m.err
}
func (m *memory) Attempts(context.Context, string, time.Time) (int, error) { return m.attempts, m.err }
func (m *memory) Voicemail(context.Context, string) (time.Duration, error) {
	return m.voicemail, m.mute
}
func (m *memory) Spent(context.Context, string, time.Time) (Money, error) { return m.spent, m.err }

func TestEachRuleHasItsCode(t *testing.T) {
	asked := Asked{Kind: PassThrough, RepNumber: "+14155550199", To: "+14155550123"}
	routes := map[Side][]Route{Rep: {{Trunk: "a"}}, Prospect: {{Trunk: "b"}}}
	shut := func() Window { // that is closed now, whichever zone of the number's
		hour := time.Now().In(zonesOf(asked.To)[0]).Hour()
		if hour < 12 {
			return Window{20 * time.Hour, 21 * time.Hour}
		}
		return Window{time.Hour, 2 * time.Hour}
	}
	tests := []struct {
		name   string
		change func(*Policy, *memory)
		want   Code
	}{
		{"nothing", func(*Policy, *memory) {}, ""},
		{"country", func(p *Policy, _ *memory) { p.Countries = []string{"GB"} }, CodeCountry},
		{"country allowed", func(p *Policy, _ *memory) { p.Countries = []string{"GB", "US"} }, ""},
		{"listed", func(_ *Policy, m *memory) { m.listed = map[string]string{"+14155550123": "asked"} }, CodeDoNotCall},
		{"too often", func(p *Policy, m *memory) { p.Attempts, m.attempts = 3, 3 }, CodeAttempts},
		{"once more", func(p *Policy, m *memory) { p.Attempts, m.attempts = 3, 2 }, ""},
		{"shut", func(p *Policy, _ *memory) { p.Window = shut() }, CodeOutsideWindow},
		{"spent", func(p *Policy, m *memory) { p.DailySpend, m.spent = map[string]Money{"b": 5}, 5 }, CodeSpendLimit},
		{"another's money", func(p *Policy, m *memory) { p.DailySpend, m.spent = map[string]Money{"c": 5}, 5 }, ""},
		{"not known", func(_ *Policy, m *memory) { m.err = errors.New("disk") }, CodeStoreUnavailable},
	}
	for _, tt := range tests {
		p, m := american(), new(memory)
		p.Past = m
		tt.change(p, m)
		b := New(Config{Policy: func() *Policy { return p }})
		refused := b.forbidden(&asked, routes)
		if got := (refused != nil); got != (tt.want != "") || got && refused.Code != tt.want {
			t.Errorf("%s: %v", tt.name, refused)
		}
		if refused != nil && refused.Code == CodeOutsideWindow && (refused.NextAllowed.Before(time.Now()) || refused.RetryAfter <= 0) {
			t.Errorf("%s: next at %v", tt.name, refused.NextAllowed)
		}
		test := Asked{Kind: Verification, RepNumber: asked.RepNumber, To: asked.RepNumber}
		if tt.want == CodeDoNotCall || tt.want == CodeOutsideWindow {
			if refused := b.forbidden(&test, routes); refused != nil {
				t.Errorf("%s: a rep's own phone: %v", tt.name, refused)
			}
		}
	}
	premium := american()
	premium.Deny = nil
	if refused := premium.may("to", "+19002345678"); refused == nil || refused.Code != CodePremium {
		t.Errorf("premium: %v", refused)
	}
	if premium.Premium = true; premium.may("to", "+19002345678") != nil {
		t.Error("premium, where it is allowed")
	}
}

func TestWindowsByTheProspectsClock(t *testing.T) {
	w, err := ParseWindow("08:00-21:00")
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		t.Helper()
		moment, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	for _, tt := range []struct{ now, to, zone, next string }{
		{"2026-11-23T17:00:00Z", "+14155550123", "", ""},                                      // 09:00 in San Francisco
		{"2026-11-23T15:59:00Z", "+14155550123", "", "2026-11-23T16:00:00Z"},                  // 07:59 there
		{"2026-11-24T05:00:00Z", "+14155550123", "", "2026-11-24T16:00:00Z"},                  // 21:00
		{"2026-11-24T05:00:00Z", "+14155550123", "Asia/Tokyo", ""},                            // who has moved
		{"2026-03-08T09:30:00Z", "+12125550123", "", "2026-03-08T12:00:00Z"},                  // the night clocks go forward
		{"2026-11-23T12:00:00Z", "+442079460018", "", ""},                                     // noon in London
		{"2026-11-23T12:00:00Z", "+442079460018", "Pacific/Auckland", "2026-11-23T19:00:00Z"}, // 01:00
		{"2026-11-23T12:00:00Z", "+18003569377", "", "2026-11-23T22:00:00Z"},                  // 1-800 is anywhere from Guam to Newfoundland
	} {
		refused := w.open(&Asked{To: tt.to, TimeZone: tt.zone}, at(tt.now))
		got := ""
		if refused != nil {
			got = refused.NextAllowed.UTC().Format(time.RFC3339)
		}
		if got != tt.next {
			t.Errorf("%s at %s %s: %q %v", tt.to, tt.now, tt.zone, got, refused)
		}
	}
	for _, bad := range []string{"8-21", "21:00-08:00", "08:00-08:00", "08:00-24:01", "x", "08:60-09:00"} {
		if w, err := ParseWindow(bad); err == nil {
			t.Errorf("%q became %v", bad, w)
		}
	}
}

func TestQuotasAndDoubleClicks(t *testing.T) {
	p := american()
	p.RepPerHour = 2
	b := New(Config{Policy: func() *Policy { return p }})
	now := time.Now()
	asked := Asked{RepID: "rep_1", Key: "k"}
	for i, want := range []bool{false, false, true} {
		if refused := b.count(p.quotas(&asked), now.Add(time.Duration(i)*time.Minute)); (refused != nil) != want {
			t.Errorf("call %d: %v", i+1, refused)
		} else if want && (refused.Code != CodeRateLimited || refused.RetryAfter != 58*time.Minute) {
			t.Errorf("%+v", refused)
		}
	}
	if refused := b.count(p.quotas(&asked), now.Add(time.Hour)); refused != nil {
		t.Errorf("an hour later: %v", refused)
	}
	if refused := b.count(p.quotas(&Asked{RepID: "rep_2", Key: "k"}), now); refused != nil {
		t.Errorf("another rep: %v", refused)
	}
	same := Asked{RepNumber: "+14155550199", To: "+14155550123", Key: "k"}
	first := &call{id: "call_1", asked: same, placedAt: now}
	b.calls["call_1"], b.reps[same.RepNumber] = first, "call_1"
	second := &call{asked: same, tuning: &tuning{Limits: Limits{Double: 3 * time.Second}}}
	if refused := b.double(second, now.Add(time.Second)); refused == nil || refused.ActiveCall != "call_1" {
		t.Errorf("a second later: %v", refused)
	}
	if refused := b.double(second, now.Add(3*time.Second)); refused != nil {
		t.Errorf("three seconds later: %v", refused)
	}
	second.asked.To = "+14155550124"
	if refused := b.double(second, now.Add(time.Second)); refused != nil {
		t.Errorf("another prospect: %v", refused)
	}
}
