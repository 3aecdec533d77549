package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"tandem/bridge"
	"tandem/store"
)

// teller says what happens in the demo, in lines for people or for programs.
type teller struct {
	out    io.Writer
	asJSON bool
}

// say writes one thing: text, or the object that says the same.
func (t teller) say(text string, object any) {
	if t.asJSON {
		_ = json.NewEncoder(t.out).Encode(object) // who does not listen is not told
	} else {
		fmt.Fprintln(t.out, text)
	}
}

// event tells of one event of the call; before is when the one before it was.
func (t teller) event(e *store.Envelope, before time.Time) {
	text := remark(e, before)
	t.say(fmt.Sprintf("%s  %-22s %s", e.Event.At.Format("15:04:05.000"), e.Event.Type, text),
		map[string]any{"type": e.Event.Type, "timestamp": e.Event.At.UTC(), "call_id": e.Event.Call, "text": text})
}

// remark is what a line of the timeline says beside the event's name.
func remark(e *store.Envelope, before time.Time) string {
	switch e.Event.Type {
	case bridge.CallQueued:
		return "the call is written down"
	case bridge.CallRepDialing:
		return "Ana's phone is dialled"
	case bridge.CallRepRinging:
		return "Ana's phone rings"
	case bridge.CallRepAnswered:
		return `"To connect your call, press 1."`
	case bridge.CallRepConfirmed:
		return pressed(e)
	case bridge.CallProspectDialing:
		return fmt.Sprintf("%.1f ms later", float64(e.Event.At.Sub(before).Microseconds())/1000)
	case bridge.CallProspectRinging:
		return "the prospect's phone rings"
	case bridge.CallProspectAnswered:
		return "the prospect answers"
	case bridge.CallConnected:
		return "audio both ways"
	case bridge.CallUpdated:
		if e.Event.Hangup != nil {
			over := fmt.Sprintf("the %s's leg is over: %s", e.Event.Side, e.Event.Hangup.Cause)
			if q := e.Event.Quality; q != nil && q.Received > 0 {
				over += fmt.Sprintf(", MOS %.2f, jitter %.1f ms, loss %.1f %%", q.MOS, q.JitterMS, 100*q.LossRatio)
			}
			return over
		}
		return string(e.Event.Flag)
	case bridge.CallEnded:
		return fmt.Sprintf("%s, %.0f s, %s (two legs)", e.Event.Ending.Outcome, e.Record.Talk(e.Event.At).Seconds(), price(&e.Record, e.Event.At))
	}
	return ""
}

// pressed says how the 1 came.
func pressed(e *store.Envelope) string {
	how := map[bridge.Flag]string{bridge.FlagConfirmedEvent: "1 by RFC 4733", bridge.FlagConfirmedInBand: "1 by tones", bridge.FlagConfirmedInfo: "1 by SIP INFO"}[e.Event.Flag]
	if how == "" {
		how = "the Connect button"
	}
	return fmt.Sprintf("%s, %.1f s after the answer", how, e.Event.At.Sub(e.Record.Rep.AnsweredAt).Seconds())
}

// price is what both legs of a call cost.
func price(r *bridge.Record, now time.Time) string {
	rep, _ := r.Rep.Cost(now)
	prospect, _ := r.Prospect.Cost(now)
	return "$" + (rep + prospect).String()
}

// hearing is what both far ends recorded of the call.
type hearing struct {
	Rep      ear    `json:"rep"`
	Prospect ear    `json:"prospect"`
	Packets  string `json:"packets"`
}

// ear is what one of them heard of the other.
type ear struct {
	File       string  `json:"file"`
	Seconds    float64 `json:"seconds"`
	LongestGap int64   `json:"longest_gap_ms"`
}

func (t teller) heard(h *hearing) {
	t.say(fmt.Sprintf("Heard by the rep: %s   by the prospect: %s   packets: %s\nThe rep heard the prospect for %.2f s (longest gap %d ms), the prospect the rep for %.2f s (%d ms).",
		h.Rep.File, h.Prospect.File, h.Packets, h.Rep.Seconds, h.Rep.LongestGap, h.Prospect.Seconds, h.Prospect.LongestGap),
		struct {
			Type string `json:"type"`
			*hearing
		}{"demo.heard", h})
}
