package main

import (
	"net"
	"net/netip"
	"strings"

	"tandem/test/carrier"
)

const (
	repPrefix      = "1206200" // four digits follow
	prospectPrefix = "1206300"
	busyPrefix     = "1206500" // reps who are on the telephone
	user, password = "bench", "bench"
)

// trunk is the far end: phones that answer at once, and talk until they are let go.
type trunk struct {
	*carrier.Carrier
	w       *wire
	release chan struct{} // closed: everybody hangs up
}

func openTrunk(w *wire, release chan struct{}) (*trunk, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &trunk{w: w, release: release}
	t.Carrier, err = carrier.Open(signalling{conn, w}, carrier.Options{User: user, Password: password, Script: t.phone, ListenRTP: t.line})
	return t, err
}

// line opens a phone's RTP socket: of the call under test the rep's comes first.
func (t *trunk) line(at netip.Addr) (net.PacketConn, error) {
	conn, err := net.ListenPacket("udp", netip.AddrPortFrom(at, 0).String())
	if err != nil {
		return nil, err
	}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	t.w.lines++
	hears := repHears
	if t.w.lines == 2 {
		hears = prospectHears
	}
	return &line{PacketConn: conn, w: t.w, hears: hears, reset: t.w.resets}, nil
}

func (t *trunk) phone(number string) carrier.Script {
	if strings.HasPrefix(number, prospectPrefix) {
		return func(c *carrier.Call) {
			c.Ring()
			c.Wait(speakAfter)
			c.Answer(carrier.ProspectTone)
			t.untilReleased(c)
		}
	}
	if strings.HasPrefix(number, busyPrefix) {
		return func(c *carrier.Call) { c.Reject("486 Busy Here", "") }
	}
	return func(c *carrier.Call) {
		c.Ring()
		c.Answer(carrier.RepTone)
		if c.Listen() && c.Wait(pressAfter) {
			c.PressEvent('1')
			t.untilReleased(c)
		}
	}
}

func (t *trunk) untilReleased(c *carrier.Call) {
	select {
	case <-c.Over():
	case <-t.release:
	}
}
