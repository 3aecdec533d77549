package scan

import (
	"encoding/binary"
	"slices"

	"tandem/dtmf"
	"tandem/media"
)

// rates are the clocks that telephone-events have.
var rates = []int{8000, 16000, 24000, 32000, 48000}

// guess makes a plan from the packets themselves: PCMU and PCMA by RFC 3551, and
// a dynamic payload type most of whose packets look like telephone-events is that.
func guess(packets []packet) plan {
	p := agreed([]media.Format{{PT: 0, Name: "pcmu", Rate: 8000}, {PT: 8, Name: "pcma", Rate: 8000}})
	byType := make(map[uint8][]packet)
	for _, k := range packets {
		if k.pt >= 96 {
			byType[k.pt] = append(byType[k.pt], k)
		}
	}
	for pt, all := range byType {
		events := slices.DeleteFunc(slices.Clone(all), func(k packet) bool { return !isEvent(k.payload) })
		if 2*len(events) > len(all) {
			p.events[pt] = eventRate(events)
		}
	}
	for pt, all := range byType {
		if _, is := p.events[pt]; !is && !slices.ContainsFunc(all, func(k packet) bool { return !p.redundant(k) }) {
			p.red[pt] = true
		}
	}
	return p
}

// redundant reports whether a packet has the shape of RFC 2198, with blocks that
// are known, or telephone-events.
func (p plan) redundant(k packet) bool {
	blocks, n := dtmf.Red(k.payload, k.ts)
	for _, b := range blocks[:n] {
		_, event := p.events[b.PT]
		_, sound := p.laws[b.PT]
		if !event && !sound && isEvent(b.Payload) && b.PT >= 96 {
			p.events[b.PT] = rates[0]
			event = true
		}
		if !event && !sound {
			return false
		}
	}
	return n > 0
}

// eventRate is the clock by which durations grew while a key was held.
func eventRate(packets []packet) int {
	var ticks, seconds float64
	for i := 1; i < len(packets); i++ {
		a, b := packets[i-1], packets[i]
		if a.ts != b.ts || a.ssrc != b.ssrc || b.seq != a.seq+1 {
			continue
		}
		grown := int(duration(b.payload)) - int(duration(a.payload))
		passed := b.at.Sub(a.at).Seconds()
		if grown > 0 && passed > 0.004 && passed < 0.2 {
			ticks, seconds = ticks+float64(grown), seconds+passed
		}
	}
	if seconds == 0 {
		return rates[0]
	}
	// Rates lie far apart on a scale of ratios, which jitter does not bridge.
	return slices.MinFunc(rates, func(a, b int) int {
		return int(1000 * (distance(ticks/seconds, a) - distance(ticks/seconds, b)))
	})
}

func distance(measured float64, rate int) float64 {
	return max(measured/float64(rate), float64(rate)/measured)
}

func duration(payload []byte) uint16 { return binary.BigEndian.Uint16(payload[2:]) }
