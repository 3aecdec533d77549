package sip

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Ladder draws what was said: one line a message, the time since the first of
// them, the leg, an arrow from or to the far end.
//
//	0.000 rep      INVITE sip:+14155550123@10.0.0.2           ──► 10.0.0.2:5060    SDP
//	0.104 rep      100 Trying                                 ◄── 10.0.0.2:5060
func Ladder(messages []Traced, dropped int) string {
	var b strings.Builder
	if len(messages) == 0 {
		return "nothing was said\n"
	}
	begin := messages[0].At
	fmt.Fprintf(&b, "from %s\n", begin.UTC().Format(time.RFC3339Nano))
	for _, m := range messages {
		arrow := "◄──"
		if m.Sent {
			arrow = "──►"
		}
		var notes []string
		if m.Repeated {
			notes = append(notes, "again")
		}
		notes = append(notes, annotations(m.Message)...)
		line := fmt.Sprintf("%9.3f %-9s %s %s %-21s  %s", m.At.Sub(begin).Seconds(), m.Side, padded(startOf(m.Message), 52), arrow, m.Remote, strings.Join(notes, ", "))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	if dropped > 0 {
		fmt.Fprintf(&b, "and %d messages more\n", dropped)
	}
	return b.String()
}

// startOf is what a message is, short: method and target, or code and phrase.
func startOf(message string) string {
	line, _, _ := strings.Cut(message, "\n")
	line = legible(strings.TrimSpace(line))
	if rest, ok := strings.CutPrefix(line, "SIP/2.0 "); ok {
		method := ""
		if _, cseq, ok := strings.Cut(headerOf(message, "CSeq"), " "); ok && cseq != "INVITE" {
			method = "  (" + strings.TrimSpace(cseq) + ")"
		}
		return rest + method
	}
	return strings.TrimSuffix(line, " SIP/2.0")
}

// annotations are what else is worth seeing at a glance.
func annotations(message string) (notes []string) {
	if _, body, _ := strings.Cut(message, "\r\n\r\n"); strings.HasPrefix(body, "v=0") {
		note := "SDP"
		for _, direction := range []string{"sendonly", "recvonly", "inactive"} {
			if strings.Contains(body, "a="+direction) {
				note += " " + direction
			}
		}
		notes = append(notes, note)
	}
	for _, name := range []string{"Reason", "Retry-After", "Session-Expires", "RSeq", "Warning"} {
		if value := headerOf(message, name); value != "" {
			notes = append(notes, name+": "+legible(value))
		}
	}
	return notes
}

// headerOf is the first value of a header, of a message that was not parsed.
func headerOf(message, name string) string {
	head, _, _ := strings.Cut(message, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\n") {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// padded fills text up, or cuts it, to n characters.
func padded(text string, n int) string {
	if have := utf8.RuneCountInString(text); have <= n {
		return text + strings.Repeat(" ", n-have)
	}
	return string([]rune(text)[:n-1]) + "…"
}
