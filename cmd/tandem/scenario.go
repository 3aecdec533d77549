package main

import (
	"encoding/json"
	"fmt"
	"sync"

	"tandem/bridge"
	"tandem/store"
)

// scenario is one row of the magic numbers, and how it must end.
type scenario struct {
	rep, to string // last four digits
	what    string
	outcome bridge.Outcome
	reason  bridge.Reason
	flag    bridge.Flag // that must be there; "" = none
	heard   func(prospect *bridge.Quality) bool
}

// clean is a line that loses nothing to speak of; lossy one that loses one in ten.
func clean(q *bridge.Quality) bool { return q.Received > 0 && q.LossRatio < 0.02 }
func lossy(q *bridge.Quality) bool { return q.LossRatio > 0.05 && q.LossRatio < 0.15 && q.JitterMS > 2 }

var scenarios = []scenario{
	{"0110", "0100", "answered, talks, hangs up", bridge.Completed, bridge.ReasonCompleted, bridge.FlagConfirmedEvent, nil},
	{"0110", "0101", "busy", bridge.ProspectBusy, bridge.ReasonProspectBusy, "", nil},
	{"0110", "0102", "rings out", bridge.ProspectNoAnswer, bridge.ReasonProspectNoAnswer, bridge.FlagProspectRang, nil},
	{"0110", "0103", "declines", bridge.ProspectDeclined, bridge.ReasonProspectDeclined, "", nil},
	{"0110", "0104", "not in service", bridge.ProspectUnreachable, bridge.ReasonProspectInvalid, "", nil},
	{"0110", "0105", "early media", bridge.Completed, bridge.ReasonCompleted, bridge.FlagEarlyMedia, nil},
	{"0110", "0106", "503, so the next trunk", bridge.Completed, bridge.ReasonCompleted, bridge.FlagFailoverUsed, nil},
	{"0111", "0100", "1 as tones", bridge.Completed, bridge.ReasonCompleted, bridge.FlagConfirmedInBand, nil},
	{"0112", "0100", "1 by SIP INFO", bridge.Completed, bridge.ReasonCompleted, bridge.FlagConfirmedInfo, nil},
	{"0113", "0100", "the rep's voicemail", bridge.RepNotConfirmed, bridge.ReasonRepVoicemail, "", nil},
	{"0114", "0100", "the rep presses 2", bridge.RepDeclined, bridge.ReasonRepDeclinedByKey, "", nil},
	{"0115", "0100", "the rep does not answer", bridge.RepNoAnswer, bridge.ReasonRepNoAnswer, "", nil},
	{"0116", "0102", "the rep leaves while it rings", bridge.Canceled, bridge.ReasonRepGone, "", nil},
	{"0110", "0120", "put on hold, and back", bridge.Completed, bridge.ReasonCompleted, "", clean},
	{"0110", "0121", "the session is refreshed", bridge.Completed, bridge.ReasonCompleted, "", clean},
	{"0110", "0122", "a line with loss and jitter", bridge.Completed, bridge.ReasonCompleted, "", lossy},
	{"0110", "0123", "a phone behind a NAT", bridge.Completed, bridge.ReasonCompleted, "", clean},
}

func idOf(answer []byte) (string, error) {
	var s seen
	if err := json.Unmarshal(answer, &s); err != nil {
		return "", err
	}
	return s.ID, nil
}

// scenarios runs them all at once, and returns the exit status.
func (d *demonstration) scenarios() int {
	results := make([]string, len(scenarios))
	var wait sync.WaitGroup
	for i, s := range scenarios {
		wait.Go(func() { results[i] = d.scenario(s) })
	}
	wait.Wait()
	code := 0
	for i, s := range scenarios {
		verdict := "pass"
		if results[i] != "" {
			verdict, code = "FAIL", 1
		}
		d.tell.say(fmt.Sprintf("%s  …%s → …%s  %-30s %s", verdict, s.rep, s.to, s.what, results[i]),
			map[string]any{"type": "demo.scenario", "rep": s.rep, "to": s.to, "what": s.what, "pass": results[i] == "", "fault": results[i]})
	}
	for _, call := range append(d.carrier.Calls(), d.spare.Calls()...) {
		if final, acked, byes, byeSent := call.Fate(); final == 0 || !acked || final == 200 && byes == 0 && !byeSent || byes > 1 {
			left := fmt.Sprintf("a call to %s was left: final %d, acked %v, %d BYEs, hung up %v", call.Number, final, acked, byes, byeSent)
			d.tell.say("FAIL  "+left, map[string]any{"type": "demo.left", "pass": false, "fault": left})
			code = 1
		}
	}
	return code
}

// scenario runs one, and says what was wrong.
func (d *demonstration) scenario(s scenario) string {
	id, err := d.place("+1202555"+s.rep, "+1202555"+s.to)
	if err != nil {
		return err.Error()
	}
	record, err := d.follow(id, func(store.Envelope) {})
	if err != nil {
		return err.Error()
	}
	if record.Ending.Outcome != s.outcome || record.Ending.Reason != s.reason {
		return fmt.Sprintf("ended %s (%s), not %s (%s)", record.Ending.Outcome, record.Ending.Reason, s.outcome, s.reason)
	}
	if q := record.Prospect.Quality; s.heard != nil && (q == nil || !s.heard(q)) {
		return fmt.Sprintf("the prospect was heard as %+v", q)
	}
	for _, flag := range record.Flags {
		if flag == s.flag {
			return ""
		}
	}
	if s.flag != "" {
		return fmt.Sprintf("flagged %v, not %s", record.Flags, s.flag)
	}
	return ""
}
