package test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"
	"time"

	"tandem/test/carrier"
)

// TestFirstWord counts packets through the whole of tandem: from the prospect's
// 200, or its first early packet, not one is lost on the way to the rep, and from
// when tandem has either description not one on the way back.
func TestFirstWord(t *testing.T) {
	const sound = 7 * time.Millisecond // the way of a packet, as of fiveMS
	slowSIP := func(from, to netip.AddrPort) Path {
		p := fiveMS(from, to)
		if p.Delay != sound {
			p.Delay = 105 * time.Millisecond
		}
		return p
	}
	early := rings(time.Second, func(w *world, c *carrier.Call) { // after the rep's 1, which is not passed on
		c.Early(700)
		c.Wait(2 * time.Second)
		answers(carrier.ProspectTone, hangsUpAfter(5*time.Second))(w, c)
	})
	for name, tt := range map[string]struct {
		route     func(from, to netip.AddrPort) Path
		prospect  act
		described int           // the response that does
		signal    time.Duration // the way of SIP
	}{
		"after the answer":    {fiveMS, aProspect(hangsUpAfter(5 * time.Second)), 200, 5 * time.Millisecond},
		"overtakes an answer": {slowSIP, aProspect(hangsUpAfter(5 * time.Second)), 200, 105 * time.Millisecond},
		"early media":         {fiveMS, early, 183, 5 * time.Millisecond},
		"overtakes a 183":     {slowSIP, early, 183, 105 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var packets []Datagram
			s := setup{route: tt.route, phones: map[string]act{repNumber: aRep(stays), prospectNumber: tt.prospect}}
			s.lose = func(d Datagram) bool {
				mu.Lock()
				defer mu.Unlock()
				if len(d.Data) > 12 && d.Data[0]>>6 == 2 && d.Data[1] < 192 {
					d.Data = bytes.Clone(d.Data)
					packets = append(packets, d)
				}
				return false
			}
			inWorld(t, s, func(w *world) {
				w.settle(w.place())
				rep, prospect := w.portOf(repNumber), w.portOf(prospectNumber)
				voice := func(d Datagram) bool {
					for _, clip := range w.tap.known {
						if bytes.Contains(clip, d.Data[12:]) {
							return false
						}
					}
					return !quiet(d.Data[12:])
				}
				count := func(from, to uint16, began time.Time) (sent, heard []Datagram) {
					for _, d := range packets {
						switch at := d.At.Sub(began); {
						case d.To.Port() == from && at >= -sound && at < 2*time.Second-sound:
							sent = append(sent, d)
						case d.From.Port() == to && at >= 0 && at < 2*time.Second && voice(d):
							heard = append(heard, d)
						}
					}
					return sent, heard
				}
				first := packets[0]
				for _, d := range packets {
					if first = d; d.To.Port() == prospect {
						break
					}
				}
				var described time.Time
				for _, m := range w.tap.Dialogs(prospectNumber)[0].Messages {
					if m.Code == tt.described && m.Method == "INVITE" && described.IsZero() {
						described = m.At.Add(tt.signal)
					}
				}
				for way, pair := range map[string][2][]Datagram{
					"to the rep":      both(count(prospect, rep, first.At.Add(sound))),
					"to the prospect": both(count(rep, prospect, described)),
				} {
					sent, heard := pair[0], pair[1]
					if len(sent) < 90 || len(heard) != len(sent) {
						t.Errorf("%s: %d packets of %d", way, len(heard), len(sent))
					}
					for i := range max(len(heard)-1, 0) {
						a, b := heard[i].Data, heard[i+1].Data
						if binary.BigEndian.Uint16(b[2:]) != binary.BigEndian.Uint16(a[2:])+1 || binary.BigEndian.Uint32(b[4:])-binary.BigEndian.Uint32(a[4:]) != 160 {
							t.Errorf("%s: %x after %x", way, b[:12], a[:12])
						}
					}
				}
			})
		})
	}
}

func both(a, b []Datagram) [2][]Datagram { return [2][]Datagram{a, b} }

// portOf is tandem's port for the sound of a number.
func (w *world) portOf(number string) uint16 {
	w.t.Helper()
	w.tap.mu.Lock()
	defer w.tap.mu.Unlock()
	for port, s := range w.tap.ports {
		if s.Number == number {
			return port
		}
	}
	w.t.Fatalf("%s has no sound", number)
	return 0
}
