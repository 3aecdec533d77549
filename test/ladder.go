package test

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Ladder draws what was said in one call: the rep's leg on the left, tandem in
// the middle, the prospect's leg on the right, time going down. An arrow stands
// where its message was sent; ~ is sound.
//
//	seconds   rep                                tandem                         prospect
//	  0.000    |<---------- INVITE sdp ------------|                                   |
//	           |                                   | call.rep_dialing
type Ladder struct {
	Began         time.Time
	Rep, Prospect string // numbers
	rungs         []rung
}

type rung struct {
	at    time.Time
	group int // of those at one time: what is asked, what happened, left, right, sound
	side  int // -1 left, 1 right, 0 the middle
	out   bool
	line  byte // - or ~
	text  string
	mark  string // after the arrow
}

const (
	askedGroup = iota
	eventGroup
	repGroup
	prospectGroup
	repSound
	prospectSound

	column = 39
)

// Asked adds what the CRM asked, and what it was answered.
func (l *Ladder) Asked(at time.Time, text string) {
	l.rungs = append(l.rungs, rung{at: at, group: askedGroup, text: "CRM: " + text})
}

// Event adds what tandem said happened.
func (l *Ladder) Event(at time.Time, text string) {
	l.rungs = append(l.rungs, rung{at: at, group: eventGroup, text: text})
}

// Tapped adds what a Wiretap heard of the call.
func (l *Ladder) Tapped(w *Wiretap) {
	for _, side := range []struct {
		number       string
		side         int
		signal, talk int
	}{{l.Rep, -1, repGroup, repSound}, {l.Prospect, 1, prospectGroup, prospectSound}} {
		for _, d := range w.Dialogs(side.number) {
			for _, m := range d.Messages {
				r := rung{at: m.At, group: side.signal, side: side.side, out: m.Out, line: '-', text: m.label()}
				if m.Lost {
					r.mark = "lost"
				}
				l.rungs = append(l.rungs, r)
			}
		}
		if heard := w.Heard(side.number); heard != nil {
			for _, turn := range heard.Turns {
				l.rungs = append(l.rungs, rung{at: turn.At, group: side.talk, side: side.side, out: turn.Out, line: '~', text: turn.Sound})
			}
		}
	}
}

// label is a message in a few words.
func (m *Message) label() string {
	text, _, _ := strings.Cut(m.First, " ")
	if m.Code > 0 {
		text = strings.TrimPrefix(m.First, "SIP/2.0 ")
		if m.Method != "INVITE" {
			text += " (" + m.Method + ")"
		}
	}
	if m.Code == 0 && m.Method == "INVITE" && m.ToTag != "" {
		text = "re-INVITE"
	}
	if m.Code == 0 && (m.Header("Authorization") != "" || m.Header("Proxy-Authorization") != "") {
		text += " auth"
	}
	if reason := m.Header("Reason"); reason != "" {
		text += " " + strings.ReplaceAll(strings.SplitN(reason, ";text", 2)[0], " ", "")
	}
	if m.Body != "" && strings.HasPrefix(m.Body, "v=0") {
		text += " sdp"
		for _, direction := range []string{"sendonly", "recvonly", "inactive"} {
			if strings.Contains(m.Body, "a="+direction) {
				text += " " + direction
			}
		}
	}
	if m.Again {
		text += " (again)"
	}
	return text
}

// String draws it.
func (l *Ladder) String() string {
	slices.SortStableFunc(l.rungs, func(a, b rung) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.group - b.group
	})
	var b strings.Builder
	fmt.Fprintf(&b, " seconds   rep%*s%*s\n", column+2, "tandem", column+3, "prospect")
	last := time.Time{}
	for _, r := range l.rungs {
		clock := ""
		if !r.at.Equal(last) {
			clock = fmt.Sprintf("%.3f", r.at.Sub(l.Began).Seconds())
		}
		last = r.at
		left, right := strings.Repeat(" ", column), strings.Repeat(" ", column)+"|"
		switch r.side {
		case -1:
			left = arrow(r, r.out)
		case 1:
			right = arrow(r, !r.out) + "|"
		default:
			right = " " + r.text
		}
		mark := ""
		if r.mark != "" {
			mark = " " + r.mark
		}
		fmt.Fprintf(&b, "%8s    |%s|%s%s\n", clock, left, right, mark)
	}
	return b.String()
}

// arrow is column wide, and points left or right.
func arrow(r rung, left bool) string {
	line := string(r.line)
	text := " " + r.text + " "
	room := max(column-len(text)-2, 2)
	a := strings.Repeat(line, room/2) + text + strings.Repeat(line, room-room/2)
	if left {
		return "<" + a + line
	}
	return line + a + ">"
}
