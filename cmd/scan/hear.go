package scan

import (
	"time"

	"tandem/dtmf"
	"tandem/media"
)

// plan is what the payload types of a flow are.
type plan struct {
	laws   map[uint8]media.Codec
	events map[uint8]int // clock rates
	red    map[uint8]bool
}

// agreed is the plan of a session description.
func agreed(formats []media.Format) plan {
	p := plan{map[uint8]media.Codec{}, map[uint8]int{}, map[uint8]bool{}}
	for _, f := range formats {
		switch {
		case f.Name == "pcmu" && f.Rate == 8000:
			p.laws[f.PT] = media.PCMU
		case f.Name == "pcma" && f.Rate == 8000:
			p.laws[f.PT] = media.PCMA
		case f.Name == "telephone-event":
			p.events[f.PT] = f.Rate
		case f.Name == "red":
			p.red[f.PT] = true
		}
	}
	return p
}

func (p plan) config() dtmf.Config {
	cfg := dtmf.Config{InBand: true}
	for pt, rate := range p.events {
		cfg.Events = append(cfg.Events, dtmf.EventType{PT: pt, Rate: rate})
	}
	return cfg
}

// clock is a source and the rate of its timestamps.
type clock struct {
	ssrc uint32
	rate int
}

// hear gives a flow's packets to a receiver, at the times they came.
func (f *flow) hear(formats []media.Format, begin time.Time) []Press {
	p := agreed(formats)
	if formats == nil {
		p = guess(f.packets)
	}
	l := listener{plan: p, ear: newEar(p.config(), f.from.String()+" > "+f.to.String()), begin: begin, origins: make(map[clock]origin)}
	for _, k := range f.packets {
		l.ear.idle(k.at, l.last)
		l.packet(k)
	}
	l.ear.rest(f.packets[len(f.packets)-1].at, l.last, l.next)
	return l.ear.found
}

// listener sorts packets by what they carry.
type listener struct {
	plan    plan
	ear     *ear
	begin   time.Time
	origins map[clock]origin
	last    origin
	samples []int16
	next    uint32 // timestamp behind the newest sound
}

func (l *listener) packet(k packet) {
	if rate, ok := l.plan.events[k.pt]; ok {
		l.last = l.origin(k, rate)
		l.ear.event(k.at, l.last, dtmf.EventPacket{PT: k.pt, SSRC: k.ssrc, Seq: k.seq, Timestamp: k.ts, Marker: k.marker, Payload: k.payload})
	} else if law, ok := l.plan.laws[k.pt]; ok {
		l.last = l.origin(k, 8000)
		l.samples = law.Decode(l.samples[:0], k.payload)
		l.ear.audio(k.at, l.last, k.ts, l.samples)
		l.next = k.ts + uint32(len(l.samples))
	} else if l.plan.red[k.pt] {
		blocks, n := dtmf.Red(k.payload, k.ts)
		for i, b := range blocks[:n] {
			if !l.plan.red[b.PT] {
				l.packet(packet{at: k.at, pt: b.PT, marker: k.marker, seq: k.seq - uint16(n-1-i), ts: b.Timestamp, ssrc: k.ssrc, payload: b.Payload})
			}
		}
	}
}

// origin ties a packet's clock to the time of the capture.
func (l *listener) origin(k packet, rate int) origin {
	c := clock{k.ssrc, rate}
	o, known := l.origins[c]
	if !known {
		o = origin{ts: k.ts, rate: rate, ms: float64(k.at.Sub(l.begin).Microseconds()) / 1000}
		l.origins[c] = o
	}
	return o
}
