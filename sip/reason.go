package sip

import (
	"fmt"
	"strconv"
	"strings"
)

// Reason is why a request or response was sent (RFC 3326). The zero Reason says
// nothing and is not sent.
type Reason struct {
	Protocol string // "Q.850" or "SIP"
	Cause    int    // ITU-T Q.850 §2.2.7 cause value, or a SIP status code
	Text     string // in words, "" = none
}

// The reasons of our own hang-ups.
var (
	NormalClearing = Reason{"Q.850", 16, "Normal call clearing"}
	UserBusy       = Reason{"Q.850", 17, "User busy"}
	NoUserResponse = Reason{"Q.850", 18, "No user responding"}
	NoAnswer       = Reason{"Q.850", 19, "No answer from user"}
	CallRejected   = Reason{"Q.850", 21, "Call rejected"}
	Incompatible   = Reason{"Q.850", 88, "Incompatible destination"}
	TimerExpired   = Reason{"Q.850", 102, "Recovery on timer expiry"}
)

// ParseReason reads the values of the Reason headers of one message. Of several
// it prefers Q.850, which tells more than the status code says already.
func ParseReason(values []string) Reason {
	var chosen Reason
	for _, value := range values {
		for _, one := range splitQuoted(value, ',') {
			r, ok := parseReason(one)
			if ok && (chosen == Reason{} || r.Protocol == "Q.850" && chosen.Protocol != "Q.850") {
				chosen = r
			}
		}
	}
	return chosen
}

func parseReason(value string) (Reason, bool) {
	parts := splitQuoted(value, ';')
	r := Reason{Protocol: strings.TrimSpace(parts[0])}
	switch {
	case strings.EqualFold(r.Protocol, "q.850"), strings.EqualFold(r.Protocol, "q850"):
		r.Protocol = "Q.850"
	case strings.EqualFold(r.Protocol, "sip"):
		r.Protocol = "SIP"
	default:
		return Reason{}, false
	}
	for _, part := range parts[1:] {
		name, val, _ := strings.Cut(part, "=")
		val = strings.TrimSpace(val)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "cause":
			cause, err := strconv.Atoi(val)
			if err != nil || cause < 0 || cause > 999 {
				return Reason{}, false
			}
			r.Cause = cause
		case "text":
			s := scanner{rest: val}
			r.Text = legible(s.value())
		}
	}
	return r, true
}

// String is the header value; "" for the zero Reason.
func (r Reason) String() string {
	if r.Protocol == "" {
		return ""
	}
	value := fmt.Sprintf("%s;cause=%d", r.Protocol, r.Cause)
	if text := legible(r.Text); text != "" {
		value += ";text=" + quoted(text)
	}
	return value
}

// Q850 is the cause, if it is one of ITU-T Q.850.
func (r Reason) Q850() (cause int, ok bool) {
	return r.Cause, r.Protocol == "Q.850" && r.Cause > 0
}

// splitQuoted splits at sep outside of quoted-strings. It returns at least one part.
func splitQuoted(s string, sep byte) []string {
	var parts []string
	start, inside := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && inside:
			i++
		case c == '"':
			inside = !inside
		case c == sep && !inside:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}
