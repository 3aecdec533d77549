package test

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tandem/bridge"
	"tandem/test/carrier"
)

// act is what a telephone does when it is called.
type act = func(w *world, c *carrier.Call)

// What phones usually do. Sound goes a little slower than signalling on this
// network, so that no two things happen at one instant by chance.
func rings(d time.Duration, then act) act {
	return func(w *world, c *carrier.Call) {
		c.Ring()
		if c.Wait(d) {
			then(w, c)
		}
	}
}

func answers(hz float64, then act) act {
	return func(w *world, c *carrier.Call) {
		c.Answer(hz)
		then(w, c)
	}
}

// greets answers as voicemail does.
func greets(_ *world, c *carrier.Call) {
	c.Greet()
	<-c.Over()
}

func waits(d time.Duration, then act) act {
	return func(w *world, c *carrier.Call) {
		if c.Wait(d) {
			then(w, c)
		}
	}
}

func presses(key byte, then act) act {
	return func(w *world, c *carrier.Call) {
		c.PressEvent(key)
		then(w, c)
	}
}

func hangsUpAfter(d time.Duration) act {
	return func(_ *world, c *carrier.Call) { c.Wait(d) } // the end of a script hangs up
}

// playsBusy opens early media, and plays the busy tone of Britain in it.
func playsBusy(_ *world, c *carrier.Call) {
	const hz, half = 400, 375 * time.Millisecond
	c.Early(hz)
	for c.Wait(half) {
		c.Say(0)
		c.Wait(half)
		c.Say(hz)
	}
}

func stays(_ *world, c *carrier.Call) { <-c.Over() }

// aRep rings for two seconds, answers, listens to the prompt and presses 1.
func aRep(then act) act {
	return rings(2*time.Second, answers(carrier.RepTone, waits(2701*time.Millisecond, presses('1', then))))
}

// aProspect rings for three seconds, and answers.
func aProspect(then act) act {
	return rings(3004*time.Millisecond, answers(carrier.ProspectTone, then))
}

// call is one scenario.
type scenario struct {
	name, title string
	rep         act
	prospect    act
	yaml        string
	to          string // "" = the prospect's number
	nat         map[string]string
	backup      act    // setup.backup
	host        string // setup.host
	carrier     func(*carrier.Options)
	meanwhile   func(w *world, id string)
	outcome     bridge.Outcome
	reason      bridge.Reason
}

// after has the API hang up when a call has come to an event, and a while more.
func hangsUpAt(event bridge.EventType, d time.Duration) func(w *world, id string) {
	return func(w *world, id string) {
		w.until(id, event)
		<-time.After(d)
		w.ask("POST", "/v1/calls/"+id+"/hangup", nil)
	}
}

// gone is closed when the rep hangs up.
var scenarios = []scenario{
	{name: "happy-path", title: "The rep answers and presses 1, the prospect answers, they talk, and the prospect hangs up.",
		rep: aRep(stays), prospect: aProspect(hangsUpAfter(10 * time.Second)),
		outcome: bridge.Completed, reason: bridge.ReasonCompleted},
	{name: "rep-hangs-up", title: "They talk, and the rep hangs up.",
		rep: aRep(hangsUpAfter(10 * time.Second)), prospect: aProspect(stays),
		outcome: bridge.Completed, reason: bridge.ReasonCompleted},
	{name: "rep-no-answer", title: "The rep does not answer: CANCEL before the voicemail would.",
		rep: rings(time.Hour, stays), outcome: bridge.RepNoAnswer, reason: bridge.ReasonRepNoAnswer},
	{name: "rep-voicemail", title: "The rep's voicemail answers: BYE at its beep, and nobody is dialled.",
		rep:     rings(15*time.Second, greets),
		outcome: bridge.RepNotConfirmed, reason: bridge.ReasonRepVoicemail},
	{name: "rep-says-nothing", title: "The rep answers, and presses nothing.",
		rep:     rings(2*time.Second, answers(carrier.RepTone, stays)),
		outcome: bridge.RepNotConfirmed, reason: bridge.ReasonRepNoConfirm},
	{name: "rep-presses-2", title: "The rep answers and presses 2: not now.",
		rep:     rings(2*time.Second, answers(carrier.RepTone, waits(2701*time.Millisecond, presses('2', stays)))),
		outcome: bridge.RepDeclined, reason: bridge.ReasonRepDeclinedByKey},
	{name: "rep-hangs-up-at-prompt", title: "The rep answers, and hangs up while the prompt is being said.",
		rep:     rings(2*time.Second, answers(carrier.RepTone, hangsUpAfter(1501*time.Millisecond))),
		outcome: bridge.RepDeclined, reason: bridge.ReasonRepLeftPrompt},
	{name: "rep-busy", title: "The rep is on another call.",
		rep:     func(_ *world, c *carrier.Call) { c.Reject("486 Busy Here", "") },
		outcome: bridge.RepBusy, reason: bridge.ReasonRepBusy},
	{name: "prospect-busy", title: "The prospect is busy; the rep is told so.",
		rep: aRep(stays), prospect: rings(time.Second, func(_ *world, c *carrier.Call) {
			c.Reject("486 Busy Here", "Reason: Q.850;cause=17;text=\"User busy\"\r\n")
		}),
		outcome: bridge.ProspectBusy, reason: bridge.ReasonProspectBusy},
	{name: "prospect-no-answer", title: "The prospect does not answer: CANCEL, and the rep is told.",
		rep: aRep(stays), prospect: rings(time.Hour, stays),
		outcome: bridge.ProspectNoAnswer, reason: bridge.ReasonProspectNoAnswer},
	{name: "prospect-not-in-service", title: "The prospect's number does not exist.",
		rep: aRep(stays), prospect: func(_ *world, c *carrier.Call) { c.Reject("404 Not Found", "Reason: Q.850;cause=1\r\n") },
		outcome: bridge.ProspectUnreachable, reason: bridge.ReasonProspectInvalid},
	{name: "early-media", title: "The prospect's network plays something before the answer; the rep hears that and no ringback of ours.",
		rep: aRep(stays), prospect: func(w *world, c *carrier.Call) {
			c.Early(carrier.ProspectTone)
			waits(3*time.Second, answers(carrier.ProspectTone, hangsUpAfter(5*time.Second)))(w, c)
		},
		outcome: bridge.Completed, reason: bridge.ReasonCompleted},
	{name: "busy-tone", title: "The prospect's network says busy by a tone in the early media, and nothing by SIP: the rep hears it, and we CANCEL.",
		rep: aRep(stays), prospect: playsBusy,
		outcome: bridge.ProspectBusy, reason: bridge.ReasonProspectBusy},
	{name: "cancel-crosses-200", title: "The rep leaves while the prospect rings, and the prospect answers at that very moment: the 200 crosses the CANCEL.",
		rep: aRep(hangsUpAfter(2 * time.Second)),
		prospect: func(w *world, c *carrier.Call) {
			c.Ring()
			w.tap.Await(repNumber, "BYE")
			// The BYE is 5 ms on its way, then the CANCEL is.
			waits(7*time.Millisecond, answers(carrier.ProspectTone, stays))(w, c)
		},
		outcome: bridge.Canceled, reason: bridge.ReasonRepGone},
	{name: "rep-leaves-while-ringing", title: "The rep leaves while the prospect rings.",
		rep: aRep(hangsUpAfter(2 * time.Second)), prospect: aProspect(stays),
		outcome: bridge.Canceled, reason: bridge.ReasonRepGone},
	{name: "rep-gives-up-by-star", title: "The rep presses * while the prospect rings, and is told that the call is canceled.",
		rep: aRep(waits(1501*time.Millisecond, presses('*', stays))), prospect: aProspect(stays),
		outcome: bridge.Canceled, reason: bridge.ReasonCanceledByRep},
	{name: "hold", title: "The prospect's phone puts the call on hold for a minute, longer than silence may last, and takes it back.",
		rep: aRep(stays), prospect: aProspect(func(w *world, c *carrier.Call) {
			if c.Wait(3 * time.Second); !c.Redirect("inactive", 0) {
				w.t.Error("hold was refused")
			}
			if c.Wait(time.Minute); !c.Redirect("sendrecv", carrier.ProspectTone) {
				w.t.Error("resume was refused")
			}
			c.Wait(3 * time.Second)
		}),
		outcome: bridge.Completed, reason: bridge.ReasonCompleted},
	{name: "hold-with-music", title: "The prospect's phone holds the call and plays music, which the rep hears.",
		rep: aRep(stays), prospect: aProspect(func(w *world, c *carrier.Call) {
			if c.Wait(3 * time.Second); !c.Redirect("sendonly", 700) {
				w.t.Error("hold was refused")
			}
			if c.Wait(10 * time.Second); !c.Redirect("sendrecv", carrier.ProspectTone) {
				w.t.Error("resume was refused")
			}
			c.Wait(3 * time.Second)
		}),
		outcome: bridge.Completed, reason: bridge.ReasonCompleted},
	{name: "api-ends-while-rep-rings", title: "The CRM hangs up while the rep's phone rings.",
		rep: aRep(stays), meanwhile: hangsUpAt(bridge.CallRepRinging, time.Second),
		outcome: bridge.Canceled, reason: bridge.ReasonCanceledByAPI},
	{name: "api-ends-at-prompt", title: "The CRM hangs up while the rep hears the prompt.",
		rep: aRep(stays), meanwhile: hangsUpAt(bridge.CallRepAnswered, time.Second),
		outcome: bridge.Canceled, reason: bridge.ReasonCanceledByAPI},
	{name: "api-ends-while-prospect-rings", title: "The CRM hangs up while the prospect's phone rings.",
		rep: aRep(stays), prospect: aProspect(stays), meanwhile: hangsUpAt(bridge.CallProspectRinging, time.Second),
		outcome: bridge.Canceled, reason: bridge.ReasonCanceledByAPI},
	{name: "api-ends-the-talk", title: "The CRM hangs up while they talk.",
		rep: aRep(stays), prospect: aProspect(stays), meanwhile: hangsUpAt(bridge.CallConnected, 3*time.Second),
		outcome: bridge.Completed, reason: bridge.ReasonCompleted},
	{name: "extension", title: "The prospect's number has an extension, 42 after a pause of 2 s; it is dialled before they talk.",
		rep: aRep(stays), prospect: aProspect(hangsUpAfter(10 * time.Second)), to: prospectNumber + ",42",
		outcome: bridge.Completed, reason: bridge.ReasonCompleted},
	{name: "digest", title: "A trunk that challenges every request by 401, and whose nonces last five seconds.",
		rep: aRep(stays), prospect: aProspect(hangsUpAfter(10 * time.Second)),
		carrier: func(o *carrier.Options) { o.Server, o.Everything, o.NonceLife = true, true, 5*time.Second },
		outcome: bridge.Completed, reason: bridge.ReasonCompleted},
	{name: "failover-503", title: "The prospect's trunk is congested and says so by 503 with Retry-After; the next trunk of the route is tried at once, under a new Call-ID.",
		rep: aRep(stays), prospect: func(_ *world, c *carrier.Call) { c.Reject("503 Service Unavailable", "Retry-After: 30\r\n") },
		backup:  aProspect(hangsUpAfter(10 * time.Second)),
		yaml:    "routing: [{leg: rep, trunks: [carrier]}, {leg: prospect, trunks: [carrier, backup]}]",
		outcome: bridge.Completed, reason: bridge.ReasonCompleted},
	{name: "failover-silence", title: "The trunk's first address is silent: after five seconds the rep is rung by way of the next, under a new Call-ID, and the prospect straight away.",
		rep: aRep(stays), prospect: aProspect(hangsUpAfter(10 * time.Second)), host: "trunk.example",
		outcome: bridge.Completed, reason: bridge.ReasonCompleted},
	{name: "phones-behind-nat", title: "Both phones name addresses at home in their SDP; their sound comes from where their routers put it, and is answered there.",
		rep: aRep(stays), prospect: aProspect(hangsUpAfter(10 * time.Second)),
		nat: map[string]string{"192.168.1.20": "203.0.113.7", "192.168.1.21": "203.0.113.8"},
		carrier: func(o *carrier.Options) {
			listen, homes := o.ListenRTP, []string{"192.168.1.20", "192.168.1.21"}
			o.ListenRTP = func(netip.Addr) (net.PacketConn, error) {
				home := homes[0]
				homes = homes[1:]
				return listen(netip.MustParseAddr(home))
			}
		},
		outcome: bridge.Completed, reason: bridge.ReasonCompleted},
	{name: "max-duration", title: "They talk until the time limit; the rep hears a beep ten seconds before.",
		rep: aRep(stays), prospect: aProspect(stays), yaml: "call_flow: {max_duration: 30s}",
		outcome: bridge.TimeLimit, reason: bridge.ReasonMaxDuration},
}

// fiveMS is the path of the scenarios: signalling takes 5 ms, sound 7.
func fiveMS(from, to netip.AddrPort) Path {
	if from.Port() == tandemAt.Port() || to.Port() == tandemAt.Port() {
		return Path{Delay: 5 * time.Millisecond}
	}
	return Path{Delay: 7 * time.Millisecond}
}

// TestScenarios plays each call through a whole tandem: API, store, SIP, sound,
// against a carrier written by hand. Its ladder and its record are kept in
// testdata/ladders, to be read; go test ./test -update writes them anew.
func TestScenarios(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			phones := map[string]act{repNumber: s.rep, prospectNumber: s.prospect}
			inWorld(t, setup{yaml: s.yaml, nat: s.nat, carrier: s.carrier, phones: phones, backup: s.backup, host: s.host}, func(w *world) {
				to := s.to
				if to == "" {
					to = prospectNumber
				}
				id := w.place("to", to)
				if s.meanwhile != nil {
					s.meanwhile(w, id)
				}
				events := w.events(id)
				<-time.After(40 * time.Second) // what is still on the wire comes to its end
				synctest.Wait()
				w.golden(s.name, w.story(s.title, id))
				w.wantSound(id)
				if end := events[len(events)-1].Record.Ending; end.Outcome != s.outcome || end.Reason != s.reason {
					t.Errorf("ended %+v, want %s, %s", end, s.outcome, s.reason)
				}
			})
		})
	}
}

// wantSound holds a call to every rule and invariant.
func (w *world) wantSound(id string) {
	w.t.Helper()
	c := Checked{Rep: repNumber, Prospect: prospectNumber, Tap: w.tap, Delay: 7 * time.Millisecond}
	for _, e := range w.events(id) {
		c.Events = append(c.Events, e.Event)
	}
	for _, broken := range c.Check() {
		w.t.Error(broken)
	}
}
