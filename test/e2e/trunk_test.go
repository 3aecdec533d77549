package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tandem/test/carrier"
)

// TestSIPpTrunks: what carriers do to a call that is answered all the same. SIPp is
// the prospect's carrier, says what it expects in return, and the rep hears the
// prospect.
func TestSIPpTrunks(t *testing.T) {
	for scenario, tt := range map[string]struct {
		trunk string // more settings of its trunk
		last  string // what SIPp sends last before it waits for a BYE, if that is late
	}{
		"prack":    {},
		"forked":   {},
		"strict":   {},
		"loose":    {},
		"holds":    {last: "CSeq: 7 ACK"},
		"storm":    {last: "CSeq: 12 ACK"},
		"tooSmall": {trunk: ", session_timer: {mode: request, expires: 120s}"},

		"badExtension":      {trunk: ", reliable_provisional: require"},
		"extensionRequired": {trunk: ", reliable_provisional: none"},
	} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			rep, prospect := startSIPp(t, "answer"), startSIPp(t, scenario)
			s := newServer(t, sippTrunk("reps", rep.port)+sippTrunk("outside", prospect.port, tt.trunk)+legRoutes)
			id, a, b := s.connects(rep, prospect)
			until(t, "SIPp waits for a BYE", func() bool { return strings.Contains(prospect.messages(), tt.last) })
			hears(t, "the rep", a, carrier.ProspectTone, time.Second)
			hears(t, "the prospect", b, carrier.RepTone, time.Second)
			s.hangup(id)
			s.ends(id, "completed", "completed", "api")
			rep.finished()
			prospect.finished()
		})
	}
}

// TestSIPpBadAnswers: an answer that no sound can follow ends in codec_rejected, and
// a word of its own for what is wrong with it, and the leg is hung up.
func TestSIPpBadAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		fault    string
		scenario []string
	}{
		"no session description":  {"no_session_description", []string{"nosdp"}},
		"a codec nobody offered":  {"codec_not_offered", []string{"badanswer", "sdp", "m=audio 40000 RTP/AVP 18\na=rtpmap:18 G729/8000"}},
		"port 0":                  {"media_port_zero", []string{"badanswer", "sdp", "m=audio 0 RTP/AVP 0"}},
		"two streams":             {"two_media", []string{"badanswer", "sdp", "m=audio 40000 RTP/AVP 0\nm=audio 40002 RTP/AVP 0"}},
		"video alone":             {"session_description_unusable", []string{"badanswer", "sdp", "m=video 40000 RTP/AVP 31"}},
		"a multicast address":     {"session_description_unusable", []string{"badanswer", "sdp", "m=audio 40000 RTP/AVP 0\nc=IN IP4 224.2.1.1/127"}},
		"not a description atall": {"session_description_unusable", []string{"badanswer", "sdp", "m=audio"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rep, prospect := startSIPp(t, "answer"), startSIPp(t, tt.scenario[0], tt.scenario[1:]...)
			s := twoTrunks(t, rep, prospect)
			id, _ := s.confirms(rep)
			call := s.ends(id, "failed", "codec_rejected", "carrier")
			if reached := call["reached_prospect"]; reached == true {
				t.Errorf("reached_prospect %v", reached)
			}
			hangup := call["legs"].(map[string]any)["prospect"].(map[string]any)["hangup"].(map[string]any)
			if text := fmt.Sprint(hangup["text"]); !strings.HasPrefix(text, tt.fault+": ") {
				t.Errorf("the prospect's leg: %q, want %s", text, tt.fault)
			}
			rep.finished()
			prospect.finished()
		})
	}
}

// TestSIPpFailover: a trunk that is congested is left for the next of the route, for
// the rep's leg as for the prospect's; the callee's own answer never is.
func TestSIPpFailover(t *testing.T) {
	for name, tt := range map[string]struct {
		status          string
		outcome, reason string
		second          int // INVITEs at the second trunk
	}{
		"503": {"503 Service Unavailable", "completed", "completed", 1},
		"500": {"500 Server Internal Error", "completed", "completed", 1},
		"486": {"486 Busy Here", "prospect_busy", "prospect_busy", 0},
		"404": {"404 Not Found", "prospect_unreachable", "prospect_number_invalid", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rep, first, second := startSIPp(t, "answer"), startSIPp(t, "reject", "status", tt.status, "more", "Retry-After: 30"), startSIPp(t, "answer")
			s := newServer(t, sippTrunk("reps", rep.port)+sippTrunk("first", first.port)+sippTrunk("second", second.port)+
				"routing: [{leg: rep, trunks: [reps]}, {leg: prospect, trunks: [first, second]}]\n")
			id, _ := s.confirms(rep)
			if tt.second > 0 {
				s.reaches(id, "in_progress")
				s.hangup(id)
			}
			call := s.reaches(id, "ended")
			if call["outcome"] != tt.outcome || call["reason"] != tt.reason {
				t.Errorf("ended %v, %v", call["outcome"], call["reason"])
			}
			if has(call["flags"], "failover_used") != (tt.second > 0) {
				t.Errorf("flags %v", call["flags"])
			}
			first.finished()
			rep.finished()
			if n := second.count("INVITE"); n != tt.second {
				t.Errorf("%d INVITEs at the second trunk, want %d", n, tt.second)
			}
			if tt.second > 0 {
				second.finished()
			}
		})
	}
}

// TestSIPpRetryAfter: a trunk that has said how long to leave it alone is left alone:
// the next call goes to the other one at once.
func TestSIPpRetryAfter(t *testing.T) {
	t.Parallel()
	const twice, congested = "2", "503 Service Unavailable"
	rep, first, second := startSIPp(t, "answer", "calls", twice), startSIPp(t, "reject", "status", congested, "more", "Retry-After: 60"), startSIPp(t, "answer", "calls", twice)
	s := newServer(t, sippTrunk("reps", rep.port)+sippTrunk("first", first.port)+sippTrunk("second", second.port)+
		"routing: [{leg: rep, trunks: [reps]}, {leg: prospect, trunks: [first, second]}]\n")
	s.start()
	for _, failsOver := range []bool{true, false} {
		id := s.call(repNumber, prospectNumber, "awaiting_confirmation")
		if code, problem := s.do("POST", "/v1/calls/"+id+"/confirm", ""); code >= 300 {
			t.Fatalf("confirm: %d %v", code, problem)
		}
		call := s.reaches(id, "in_progress")
		if has(call["flags"], "failover_used") != failsOver {
			t.Errorf("flags %v, failover %v", call["flags"], failsOver)
		}
		s.hangup(id)
		s.ends(id, "completed", "completed", "api")
	}
	first.finished() // by one call
	second.finished()
	rep.finished()
}

// TestSIPpRefreshes: the prospect's side is refreshed by UPDATE, the rep's refreshes
// by re-INVITE (RFC 4028).
func TestSIPpRefreshes(t *testing.T) {
	t.Parallel()
	rep, prospect := startSIPp(t, "theyReinvite"), startSIPp(t, "weUpdate")
	s := twoTrunks(t, rep, prospect)
	id, _, _ := s.connects(rep, prospect)
	until(t, "both are refreshed", func() bool {
		return strings.Contains(rep.messages(), "CSeq: 1 ACK") && prospect.count("UPDATE") > 0
	})
	s.hangup(id)
	s.ends(id, "completed", "completed", "api")
	rep.finished()
	prospect.finished()
}

// TestSIPpSessionTimers: the prospect's side is refreshed by our second re-INVITE, for
// the first met one of its own; the rep's side refreshes once and is gone, and the
// call ends with its session (RFC 4028 §10). No session is shorter than a minute.
func TestSIPpSessionTimers(t *testing.T) {
	t.Parallel()
	rep, prospect := startSIPp(t, "theyRefresh"), startSIPp(t, "weRefresh")
	s := twoTrunks(t, rep, prospect)
	id, _, _ := s.connects(rep, prospect)
	until(t, "the prospect's side is refreshed", func() bool { return prospect.count("INVITE") == 3 })
	s.ends(id, "completed", "session_expired", "carrier")
	rep.finished()
	prospect.finished()
}
