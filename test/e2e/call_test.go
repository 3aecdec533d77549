package e2e

import (
	"strings"
	"testing"
	"time"

	"tandem/test/carrier"
)

const (
	repNumber      = "+12025550110"
	prospectNumber = "+12025550120"
)

// confirm has the rep's phone press 1 by telephone-events once the prompt
// sounds.
func (s *server) confirm(id string, phone *carrier.Phone) {
	s.Helper()
	s.reaches(id, "awaiting_confirmation")
	s.until("the rep hears the prompt", func() bool { return phone.Heard().Packets > 20 })
	phone.Press('1')
}

// hears waits until a phone has heard a tone for so long.
func hears(t *testing.T, who string, phone *carrier.Phone, hz float64, long time.Duration) {
	t.Helper()
	until(t, who+" hears the other", func() bool { return phone.Heard().Tone(hz) >= long })
}

// TestSIPpAnswer: SIPp is the carrier of both legs; both answer and the API hangs
// up.
func TestSIPpAnswer(t *testing.T) {
	t.Parallel()
	rep, prospect := startSIPp(t, "answer"), startSIPp(t, "answer")
	s := twoTrunks(t, rep, prospect)
	id, a, b := s.connects(rep, prospect)
	hears(t, "the rep", a, carrier.ProspectTone, time.Second)
	hears(t, "the prospect", b, carrier.RepTone, 2*time.Second)
	s.hangup(id)
	s.ends(id, "completed", "completed", "api")
	rep.finished()
	prospect.finished()
	// By the packets' own time: a late machine makes no hole here, a lost packet does.
	for who, gap := range map[string]time.Duration{
		"rep": hole(a.Heard().Samples, carrier.ProspectTone), "prospect": hole(b.Heard().Samples, carrier.RepTone),
	} {
		if gap > noGap {
			t.Errorf("the %s heard nothing for %v", who, gap)
		}
	}
}

// TestSIPpRefusals: what a carrier says of either leg decides outcome and reason,
// and what was never answered is not dialled on.
func TestSIPpRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		rep, prospect         []string // scenario and its words
		outcome, reason, by   string
		sipCode, prospectDial float64
	}{
		"prospect busy": {[]string{"answer"}, []string{"reject", "status", "486 Busy Here", "more", "Reason: Q.850;cause=17"},
			"prospect_busy", "prospect_busy", "prospect", 486, 1},
		"prospect not in service": {[]string{"answer"}, []string{"reject", "status", "404 Not Found", "more", "X-Cause: 1"},
			"prospect_unreachable", "prospect_number_invalid", "carrier", 404, 1},
		"prospect's carrier congested": {[]string{"answer"}, []string{"reject", "status", "503 Service Unavailable", "more", "Retry-After: 20"},
			"failed", "trunk_congestion", "carrier", 503, 1},
		"prospect declines by a cause that outweighs the code": {[]string{"answer"}, []string{"reject", "status", "403 Forbidden", "more", "Reason: Q.850;cause=21;text=\"call rejected\""},
			"prospect_declined", "prospect_declined", "prospect", 403, 1},
		"prospect moved, and is not followed": {[]string{"answer"}, []string{"reject", "status", "302 Moved Temporarily", "more", "Contact: <sip:+19005550000@127.0.0.1:9>"},
			"prospect_unreachable", "prospect_unreachable", "carrier", 302, 1},
		"rep busy": {[]string{"reject", "status", "486 Busy Here", "more", "X-Cause: 17"}, []string{"answer"},
			"rep_busy", "rep_line_busy", "rep", 486, 0},
		"rep's number unknown": {[]string{"reject", "status", "404 Not Found", "more", "X-Cause: 1"}, []string{"answer"},
			"rep_unreachable", "rep_number_invalid", "carrier", 404, 0},
		"rep not reachable over a broken trunk": {[]string{"reject", "status", "503 Service Unavailable", "more", "X-Cause: 41"}, []string{"answer"},
			"failed", "trunk_failed_rep", "carrier", 503, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rep, prospect := startSIPp(t, tt.rep[0], tt.rep[1:]...), startSIPp(t, tt.prospect[0], tt.prospect[1:]...)
			s := twoTrunks(t, rep, prospect)
			s.start()
			id := s.place(repNumber, prospectNumber)
			side := "rep"
			if tt.prospectDial > 0 {
				side = "prospect"
				s.confirm(id, rep.phone(carrier.RepTone))
			}
			call := s.ends(id, tt.outcome, tt.reason, tt.by)
			hangup := call["legs"].(map[string]any)[side].(map[string]any)["hangup"].(map[string]any)
			if hangup["sip_code"] != tt.sipCode {
				t.Errorf("the %s's leg: %v, want %v", side, hangup, tt.sipCode)
			}
			rep.finished()
			if n := prospect.count("INVITE"); n != int(tt.prospectDial) {
				t.Errorf("the prospect was dialled %d times, want %v", n, tt.prospectDial)
			}
			if tt.prospectDial > 0 {
				prospect.finished()
			}
		})
	}
}

// TestSIPpNoAnswer: a phone that only rings is told to stop, and nothing is left
// ringing.
func TestSIPpNoAnswer(t *testing.T) {
	for side, want := range map[string][2]string{"rep": {"rep_no_answer", "rep_no_answer"}, "prospect": {"prospect_no_answer", "prospect_no_answer"}} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			ringing, other := startSIPp(t, "ringout"), startSIPp(t, "answer")
			rep, prospect := ringing, other
			if side == "prospect" {
				rep, prospect = other, ringing
			}
			s := twoTrunks(t, rep, prospect, "call_flow: {rep_ring_timeout: 10s, prospect_ring_timeout: 10s}")
			s.start()
			id := s.place(repNumber, prospectNumber)
			if side == "prospect" {
				s.confirm(id, rep.phone(carrier.RepTone))
			}
			s.ends(id, want[0], want[1], "system")
			ringing.finished()
			if ringing.count("CANCEL") == 0 {
				t.Error("no CANCEL")
			}
		})
	}
}

// TestSIPpEarlyMedia: the rep hears what the prospect's network plays before the
// answer.
func TestSIPpEarlyMedia(t *testing.T) {
	t.Parallel()
	rep, prospect := startSIPp(t, "answer"), startSIPp(t, "early", "early", "6000")
	s := twoTrunks(t, rep, prospect)
	id, a := s.confirms(rep)
	b := prospect.phone(carrier.ProspectTone)
	hears(t, "the rep", a, carrier.ProspectTone, time.Second)
	_, call := s.do("GET", "/v1/calls/"+id, "")
	if call["status"] != "calling_prospect" {
		t.Errorf("the rep heard early media when the call was %v", call["status"])
	}
	s.reaches(id, "in_progress")
	hears(t, "the prospect", b, carrier.RepTone, time.Second)
	s.hangup(id)
	call = s.ends(id, "completed", "completed", "api")
	if !has(call["flags"], "early_media") {
		t.Errorf("flags %v", call["flags"])
	}
	rep.finished()
	prospect.finished()
}

func has(list any, word string) bool {
	all, _ := list.([]any)
	for _, w := range all {
		if w == word {
			return true
		}
	}
	return false
}

// TestSIPpHangUp: whoever hangs up, the other is hung up too.
func TestSIPpHangUp(t *testing.T) {
	for _, side := range []string{"rep", "prospect"} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			scenario := map[string][]string{side: {"talk", "9000"}}
			start := func(who string) *sipp {
				if who == side {
					return startSIPp(t, "hangup", scenario[who]...)
				}
				return startSIPp(t, "answer")
			}
			rep, prospect := start("rep"), start("prospect")
			s := twoTrunks(t, rep, prospect)
			id, _, _ := s.connects(rep, prospect)
			s.ends(id, "completed", "completed", side)
			rep.finished()
			prospect.finished()
		})
	}
}

// TestSIPpHold: a leg that holds sends nothing on, the call outlives the pause, and
// sound is back after the second re-INVITE.
func TestSIPpHold(t *testing.T) {
	t.Parallel()
	rep, prospect := startSIPp(t, "answer"), startSIPp(t, "hold", "talk", "2000", "held", "2000")
	s := twoTrunks(t, rep, prospect)
	id, a, b := s.connects(rep, prospect)
	acked := func(n int) func() bool {
		return func() bool { return strings.Count(prospect.messages(), "\nACK sip:") >= n }
	}
	until(t, "the prospect holds", acked(2))
	held := b.Heard().Packets
	until(t, "the prospect takes the call up again", acked(3))
	// sendonly from the prospect: the rep's sound is not sent there (RFC 3264 §8.4).
	if n := b.Heard().Packets - held; n > 10 {
		t.Errorf("%d packets sent to a prospect on hold", n)
	}
	before := b.Heard().Tone(carrier.RepTone)
	hears(t, "the prospect", b, carrier.RepTone, before+time.Second)
	hears(t, "the rep", a, carrier.ProspectTone, time.Second)
	s.hangup(id)
	s.ends(id, "completed", "completed", "api")
	rep.finished()
	prospect.finished()
}

// TestSIPpDigest: SIPp challenges INVITE and BYE of both legs, and computes the
// digests itself.
func TestSIPpDigest(t *testing.T) {
	t.Parallel()
	rep, prospect := startSIPp(t, "digest"), startSIPp(t, "digest")
	auth := `, auth: {mode: digest, username: acme, password: "${env:TRUNK_PASSWORD}"}`
	s := newServer(t, sippTrunk("reps", rep.port, auth)+sippTrunk("outside", prospect.port, auth)+legRoutes)
	id, _, _ := s.connects(rep, prospect)
	s.hangup(id)
	s.ends(id, "completed", "completed", "api")
	rep.finished()
	prospect.finished()
}

// TestSIPpPresses: a 1 by SIP INFO, and one by telephone-events that SIPp plays from
// a capture, with a payload type of its own.
func TestSIPpPresses(t *testing.T) {
	for scenario, flag := range map[string]string{"info": "confirmed_info", "events": "confirmed_rfc4733"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			rep, prospect := startSIPp(t, scenario), startSIPp(t, "answer")
			s := twoTrunks(t, rep, prospect)
			s.start()
			id := s.call(repNumber, prospectNumber, "in_progress")
			s.hangup(id)
			call := s.ends(id, "completed", "completed", "api")
			if !has(call["flags"], flag) {
				t.Errorf("flags %v, want %s", call["flags"], flag)
			}
			rep.finished()
			prospect.finished()
		})
	}
}
