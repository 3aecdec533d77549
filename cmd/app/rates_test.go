package app

import (
	"strings"
	"testing"
	"time"

	"tandem/config"
)

func TestRatesByLongestPrefix(t *testing.T) {
	r, err := loadRates(&config.Rates{Currency: "USD", Default: config.RateDefault{PerMinute: "0.0130", FirstIncrement: time.Minute, NextIncrement: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	table := strings.Join(rateColumns, ",") + "\n44,0.0200,0,1,1\n+4420,0.0100,0.0050,30,6\n"
	if err := r.read(strings.NewReader(table), "USD"); err != nil {
		t.Fatal(err)
	}
	for number, want := range map[string]string{"+442079460018": "0.0100", "+441632960001": "0.0200", "+14155550123": "0.0130", "+44": "0.0200", "": "0.0130"} {
		if got := r.of(number); got.PerMinute.String() != want || got.Currency != "USD" {
			t.Errorf("%s: %+v", number, got)
		}
	}
	if rate := r.of("+442079460018"); rate.Fee.String() != "0.0050" || rate.First != 30*time.Second || rate.Next != 6*time.Second {
		t.Errorf("%+v", rate)
	}
	header := strings.Join(rateColumns, ",") + "\n"
	for text, line := range map[string]string{
		"": "line 1", "a,b\n": "line 1", header + "44,x,0,1,1\n": "line 2", header + "44,1,0,0,1\n": "line 2", header + "44,1,0,1,1\n44,1,0,1,1\n": "line 3",
		header + "044,1,0,1,1\n": "line 2", header + "44,1,0,1\n": "line 2", header + "44,-1,0,1,1\n": "line 2",
	} {
		if err := (rates{}).read(strings.NewReader(text), "USD"); err == nil || !strings.Contains(err.Error(), line) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
