package test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tandem/bridge"
)

// Times within which tandem must do what it must.
const (
	atOnce   = 200 * time.Millisecond // beside what the path takes
	hangsUp  = 5 * time.Second        // L1
	lifetime = 32 * time.Second       // 64*T1, RFC 3261 §17.1.1.2
	resent   = 20 * time.Second       // S7
)

// Checked is one call that is over and off the wire.
type Checked struct {
	Rep, Prospect string // numbers, of this call only
	Events        []bridge.Event
	Tap           *Wiretap
	Delay         time.Duration // the longest a datagram may be on its way
	Lossy         bool          // datagrams may be lost: messages come late, or are never seen
}

// Check holds a call to the rules and invariants that every call keeps,
// whatever happens to it. It returns what is broken, in words.
func (c *Checked) Check() (broken []string) {
	say := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	c.checkEvents(say)
	rep, prospect := c.Tap.Dialogs(c.Rep), c.Tap.Dialogs(c.Prospect)
	for _, dialogs := range [][]*Dialog{rep, prospect} {
		for _, d := range dialogs[:max(len(dialogs)-1, 0)] {
			if !d.fellOver() {
				say("S2: there is another INVITE to %s than one whose trunk had not failed", d.Number)
			}
		}
	}
	ended := c.Events[len(c.Events)-1].At
	for _, d := range append(rep, prospect...) {
		c.checkFate(d, ended, say)
		d.checkGrammar(say)
	}
	if len(prospect) > 0 {
		c.checkOrder(rep, prospect[0], say)
	}
	if heard := c.Tap.Heard(c.Rep); heard != nil {
		c.checkSilence(heard, say)
	}
	return broken
}

// checkSilence: R5, until they talk: then what the rep hears is the prospect's.
func (c *Checked) checkSilence(heard *Sounds, say func(string, ...any)) {
	var record bridge.Record
	for _, e := range c.Events {
		record.Apply(e)
	}
	for _, gap := range heard.Gaps {
		if record.ConnectedAt.IsZero() || gap.At.Before(record.ConnectedAt) {
			say("R5: the rep heard nothing for %v, from %v after the answer", gap.For, gap.At.Sub(record.Rep.AnsweredAt))
		}
	}
}

// checkEvents: R1, S5, S6, L2.
func (c *Checked) checkEvents(say func(string, ...any)) {
	var record bridge.Record
	ends := 0
	for i, e := range c.Events {
		if e.Seq != i+1 {
			say("S6: event %d has number %d", i+1, e.Seq)
		}
		if i > 0 && e.At.Before(c.Events[i-1].At) {
			say("S6: %s is earlier than what came before it", e.Type)
		}
		if e.Type == bridge.CallEnded {
			ends++
		}
		record.Apply(e)
	}
	last := c.Events[len(c.Events)-1]
	final := bridge.CallEnded
	if record.Priced() {
		final = bridge.CallCostFinal
	}
	if ends != 1 || last.Type != final || record.Ending == nil {
		say("R1, S5: %d ends, and the last event is %s", ends, last.Type)
	}
	for _, leg := range []bridge.Leg{record.Rep, record.Prospect} {
		if leg.Status != bridge.LegPending && leg.Status != bridge.LegEnded {
			say("L2: the leg to %s is left %s", leg.Number, leg.Status)
		}
	}
}

// fellOver reports whether a dialog's trunk failed before anything rang, by a 408 or
// 5xx or by silence: another may be tried (call.md, row 32).
func (d *Dialog) fellOver() bool {
	silent, failed := true, false
	for _, m := range d.Messages {
		if m.Out || m.Method != "INVITE" || m.Code == 0 {
			continue
		}
		if m.Code >= 180 && m.Code < 300 {
			return false
		}
		silent, failed = false, m.Code == 408 || m.Code/100 == 5
	}
	return silent || failed
}

// checkFate: R3, S2, S7, L1 for one dialog, whose answers may be several.
func (c *Checked) checkFate(d *Dialog, ended time.Time, say func(string, ...any)) {
	invites := make(map[string]time.Time)                                  // by branch
	answers, refusals := make(map[string]*Message), make(map[int]*Message) // by To tag; by CSeq
	acked, hungUp := make(map[string]bool), make(map[string]time.Time)     // by To tag, or CSeq
	// Credentials, or another offer, in the same call.
	invited := func(cseq int) bool {
		m := refusals[cseq]
		return m != nil && slices.Contains([]int{401, 407, 415, 488, 606}, m.Code)
	}
	for _, m := range d.Messages {
		switch {
		case m.Out && m.Method == "INVITE" && m.Code == 0 && m.ToTag == "":
			first, known := invites[m.Branch]
			if !known {
				first, invites[m.Branch] = m.At, m.At
			}
			if !known && len(invites) > 1 && !invited(m.CSeq-1) {
				say("S2: %s was sent INVITE %d, and nobody had asked for it", d.Number, m.CSeq)
			}
			if m.At.Sub(first) > resent {
				say("S7: the INVITE to %s was repeated after %v", d.Number, m.At.Sub(first))
			}
		case !m.Out && m.Method == "INVITE" && m.Code >= 300 && !m.Lost:
			refusals[m.CSeq] = m
		case !m.Out && m.Method == "INVITE" && m.Code >= 200 && !m.Lost && answers[m.ToTag] == nil:
			answers[m.ToTag] = m
		case m.Out && m.Method == "ACK":
			acked[m.ToTag], acked[fmt.Sprint(m.CSeq)] = true, true
		case m.Method == "BYE" && m.Code == 0 && (m.Out || !m.Lost):
			tag := m.ToTag
			if !m.Out {
				tag = group(tagOf, m.Header("From"))
			}
			if hungUp[tag].IsZero() {
				hungUp[tag] = m.At
			}
		}
	}
	for cseq, m := range refusals {
		if !acked[fmt.Sprint(cseq)] {
			say("R3: %s's %d was never ACKed", d.Number, m.Code)
		}
	}
	for tag := range answers {
		over := hungUp[tag]
		switch {
		case !acked[tag]:
			say("R3: an answer of %s was never ACKed", d.Number)
		case over.IsZero():
			say("L1: %s answered and was never hung up", d.Number)
		case over.After(ended.Add(hangsUp)) && !c.Lossy:
			say("L1: %s was hung up %v after the end", d.Number, over.Sub(ended))
		}
	}
	if len(answers)+len(refusals) == 0 && !c.Lossy && !d.fellOver() && ended.Sub(d.Messages[0].At) > lifetime {
		say("R3: the INVITE to %s has no final response", d.Number)
	}
}

// checkOrder: R4, R6, S1.
func (c *Checked) checkOrder(rep []*Dialog, prospect *Dialog, say func(string, ...any)) {
	dialled := prospect.Messages[0].At
	var confirmed, answered bool
	for _, e := range c.Events {
		confirmed = confirmed || e.Type == bridge.CallRepConfirmed && !e.At.After(dialled)
	}
	if !confirmed {
		say("S1, S4: the prospect was dialled before the rep's 1 was written down")
	}
	var left time.Time
	for _, d := range rep {
		for _, m := range d.Messages {
			if m.Method == "INVITE" && m.Code >= 200 && m.Code < 300 && m.At.Before(dialled) && !m.Lost {
				answered = true
			}
			if m.Method == "BYE" && m.Code == 0 && left.IsZero() && !m.Lost {
				left = m.At
				if !m.Out {
					left = left.Add(c.Delay)
				}
			}
		}
	}
	if !c.pressed(rep, dialled) {
		say("S1: the prospect was dialled, and nobody had pressed a key on the rep's leg")
	}
	if !answered || !left.IsZero() && left.Before(dialled) {
		say("R4: the prospect was dialled while the rep's leg was not up")
	}
	if left.IsZero() {
		return
	}
	heard := make(map[string]bool) // answers by To tag: a repetition is none
	for _, m := range prospect.Messages {
		if m.Method != "INVITE" || m.Code < 200 || m.Code > 299 || m.Lost || heard[m.ToTag] {
			continue
		}
		if heard[m.ToTag] = true; m.At.After(left) {
			c.checkOrphan(prospect, m, say)
		}
	}
}

// pressed reports whether a key came on the rep's leg before a time, in one way
// or another. Tones, and the page's button, are believed on tandem's word.
func (c *Checked) pressed(rep []*Dialog, before time.Time) bool {
	for _, e := range c.Events {
		if e.Flag == bridge.FlagConfirmedInBand || e.Flag == bridge.FlagConfirmedByUI {
			return true
		}
	}
	for _, d := range rep {
		for _, m := range d.Messages {
			if m.Method == "INFO" && !m.Out && m.At.Before(before) {
				return true
			}
		}
	}
	heard := c.Tap.Heard(c.Rep)
	return heard != nil && slices.ContainsFunc(heard.Turns, func(t Turn) bool {
		return !t.Out && strings.HasPrefix(t.Sound, "key ") && t.At.Before(before)
	})
}

// checkOrphan: a prospect who answered when the rep had gone is hung up at once.
func (c *Checked) checkOrphan(d *Dialog, answer *Message, say func(string, ...any)) {
	for _, m := range d.Messages {
		if m.Method == "BYE" && m.Code == 0 && !m.Lost {
			if late := m.At.Sub(answer.At.Add(c.Delay)); late > atOnce && !c.Lossy {
				say("R6: the prospect was hung up %v after answering nobody", late)
			}
			return
		}
	}
	say("R6: the prospect answered nobody and was never hung up")
}
