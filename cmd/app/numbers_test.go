package app

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestNumbersInTheLog(t *testing.T) {
	write := func(how string) string {
		var out bytes.Buffer
		log := hideNumbers(slog.New(slog.NewTextHandler(&out, nil)), how).With("rep", "+12025550110").WithGroup("g")
		log.Info("ringing +447700900123", "err", errors.New("INVITE sip:12025550100@192.0.2.1:50600: refused"), "code", 486, "call", "call_01kay2v5e8f3vr2m8c5nq0d7xw",
			"sip_call_id", "1202555010012025550100@x", slog.Group("leg", "to", "+12025550100"), "numbers", []string{"+12025550101"}, "trunk", "twilio", "addr", "192.0.2.1:50600")
		return out.String()
	}
	const untouched = `sip_call_id=1202555010012025550100@x`
	full, masked, hashed := write("full"), write("masked"), write("hashed")
	for _, number := range []string{"+12025550110", "+447700900123", "12025550100@", "+12025550100", "+12025550101"} {
		if !strings.Contains(full, number) {
			t.Errorf("full hides %s: %s", number, full)
		}
		for _, line := range []string{masked, hashed} {
			if strings.Contains(strings.ReplaceAll(line, untouched, ""), number) {
				t.Errorf("%s is in %s", number, line)
			}
		}
	}
	for _, want := range []string{"+1202•••0110", "+4477•••0123", "sip:1202•••0100@192.0.2.1:50600", "code=486", "192.0.2.1:50600", untouched, "call_01kay2v5e8f3vr2m8c5nq0d7xw", "twilio"} {
		if !strings.Contains(masked, want) {
			t.Errorf("no %s in %s", want, masked)
		}
	}
	_, after, _ := strings.Cut(hashed, "rep=")
	if hash, _, _ := strings.Cut(after, " "); len(strings.Trim(hash, `"`)) != 13 {
		t.Errorf("a hash of %q", hash)
	}
}
