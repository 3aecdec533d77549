package carrier

import (
	"strings"
	"time"
)

// What each party sounds like: neither is near a DTMF frequency, or the other.
const (
	RepTone      = 520.0 // Hz
	ProspectTone = 1050.0
)

// magic is the table of the control API's test mode: what the fictional numbers
// +1 202 555 01xx do.
var magic = map[string]Script{
	"0100": prospect(func(c *Call) { c.Wait(20 * time.Second) }),
	"0101": func(c *Call) { c.Ring(); c.Wait(time.Second); c.Reject("486 Busy Here", "") },
	"0102": func(c *Call) { c.Ring(); <-c.Over() },
	"0103": func(c *Call) { c.Ring(); c.Wait(time.Second); c.Reject("603 Decline", "") },
	"0104": func(c *Call) { c.Reject("404 Not Found", "Reason: Q.850;cause=1\r\n") },
	"0105": func(c *Call) {
		c.Early(ProspectTone)
		if c.Wait(2 * time.Second) {
			c.Answer(ProspectTone)
			c.Wait(5 * time.Second)
		}
	},
	"0106": func(c *Call) { c.Reject("503 Service Unavailable", "Retry-After: 30\r\n") },

	// What a line does to a call that goes on, for the demo. A phone that is refused
	// falls silent, which ends the call as no sound does.
	"0120": prospect(func(c *Call) {
		c.Wait(2 * time.Second)
		held := c.Redirect("sendonly", 0) && c.Wait(2*time.Second) && c.Redirect("sendrecv", ProspectTone)
		c.unless(!held, 5*time.Second)
	}),
	"0121": prospect(func(c *Call) { c.Wait(2 * time.Second); c.unless(!c.Refresh(), 5*time.Second) }),
	"0122": prospect(func(c *Call) { c.BadLine(10, 16*time.Millisecond); c.Wait(20 * time.Second) }),
	"0123": func(c *Call) { c.BehindNAT(); prospect(func(c *Call) { c.Wait(20 * time.Second) })(c) },

	"0110": rep(func(c *Call) { c.PressEvent('1'); <-c.Over() }),
	"0111": rep(func(c *Call) { c.PressTones('1'); <-c.Over() }),
	"0112": rep(func(c *Call) { c.PressInfo('1'); <-c.Over() }),
	"0113": func(c *Call) {
		if c.ringFor(2 * time.Second) {
			c.Greet()
			<-c.Over()
		}
	},
	"0114": rep(func(c *Call) { c.PressEvent('2'); <-c.Over() }),
	"0115": func(c *Call) { c.Ring(); <-c.Over() },
	"0116": rep(func(c *Call) { c.PressEvent('1'); c.Wait(c.longer(1500*time.Millisecond, time.Second)) }),
}

// prospect rings for a second, answers, and does then what it does.
func prospect(then Script) Script {
	return func(c *Call) {
		if c.Wait(300 * time.Millisecond); c.ringFor(time.Second) {
			c.Answer(ProspectTone)
			then(c)
		}
	}
}

// rep rings for two seconds, answers, and listens before it does something.
func rep(then Script) Script {
	return func(c *Call) {
		if !c.ringFor(2 * time.Second) {
			return
		}
		c.Answer(RepTone)
		// At any speed: tones right after the answer are the line's, not a key.
		if c.Listen() && c.Wait(c.longer(2700*time.Millisecond, 450*time.Millisecond)) {
			then(c)
		}
	}
}

// longer is d at the carrier's speed, or real as clocks go, where that is more: a
// key takes as long as it takes.
func (call *Call) longer(d, real time.Duration) time.Duration {
	return max(d, time.Duration(float64(real)*call.c.opts.Speed))
}

// unless goes on for a while, or in silence until it is given up.
func (call *Call) unless(refused bool, d time.Duration) {
	if !refused {
		call.Wait(d)
		return
	}
	call.sound.still(true)
	<-call.over
}

func (call *Call) ringFor(d time.Duration) bool {
	call.Ring()
	return call.Wait(d)
}

// Magic is the script of a number; those that have none are not in service.
func Magic(number string) Script {
	for suffix, script := range magic {
		if strings.HasSuffix(number, "202555"+suffix) {
			return script
		}
	}
	return magic["0104"]
}

// Spare is the script of a second trunk, which takes what the first refuses
// with a 503 and does otherwise as it does.
func Spare(number string) Script {
	if strings.HasSuffix(number, "2025550106") {
		return magic["0100"]
	}
	return Magic(number)
}
