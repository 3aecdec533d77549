package bridge

import (
	"testing"
	"time"
)

func TestMoney(t *testing.T) {
	for text, want := range map[string]string{"0": "0.0000", "0.0130": "0.0130", "1.00005": "1.0001", "1.00004": "1.0000", "12.5": "12.5000", "50.00": "50.0000"} {
		if m, err := ParseMoney(text); err != nil || m.String() != want {
			t.Errorf("%s: %s %v", text, m, err)
		}
	}
	for _, bad := range []string{"", ".5", "-1", "1e3", "0x1", "1/2", "0.0000000001", "99999999999", "1,5", "1.2.3", "+1"} {
		if m, err := ParseMoney(bad); err == nil {
			t.Errorf("%q became %s", bad, m)
		}
	}
}

func TestRates(t *testing.T) {
	perMinute, _ := ParseMoney("0.0130")
	fee, _ := ParseMoney("0.0050")
	tests := []struct {
		first, next, answered time.Duration
		fee                   Money
		billed                time.Duration
		cost                  string
	}{
		{60 * time.Second, 60 * time.Second, 0, fee, 0, "0.0000"},
		{60 * time.Second, 60 * time.Second, time.Millisecond, 0, 60 * time.Second, "0.0130"},
		{60 * time.Second, 60 * time.Second, 60 * time.Second, fee, 60 * time.Second, "0.0180"},
		{60 * time.Second, 60 * time.Second, 60*time.Second + 1, 0, 120 * time.Second, "0.0260"},
		{30 * time.Second, 6 * time.Second, 31 * time.Second, 0, 36 * time.Second, "0.0078"},
		{time.Second, time.Second, 192*time.Second + 500*time.Millisecond, 0, 193 * time.Second, "0.0418"},
		{time.Second, time.Second, 4 * time.Hour, 0, 4 * time.Hour, "3.1200"},
	}
	for _, tt := range tests {
		r := Rate{PerMinute: perMinute, Fee: tt.fee, First: tt.first, Next: tt.next}
		if r.Billed(tt.answered) != tt.billed || r.Cost(tt.answered).String() != tt.cost {
			t.Errorf("%v in %v/%v: %v, %s", tt.answered, tt.first, tt.next, r.Billed(tt.answered), r.Cost(tt.answered))
		}
	}
	begin := time.Now()
	leg := Leg{Rate: &Rate{PerMinute: perMinute, First: time.Second, Next: time.Second}, AnsweredAt: begin}
	if cost, known := leg.Cost(begin.Add(time.Minute)); !known || cost != perMinute {
		t.Errorf("live: %s", cost)
	}
	leg.EndedAt = begin.Add(2 * time.Minute)
	if cost, _ := leg.Cost(begin.Add(time.Hour)); cost != 2*perMinute {
		t.Errorf("final: %s", cost)
	}
}
