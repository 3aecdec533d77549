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
	e := newEar(p.config(), f.from.String()+" > "+f.to.String())
	origins := make(map[clock]origin)
	from := func(k packet, rate int) origin {
		o, known := origins[clock{k.ssrc, rate}]
		if !known {
			o = origin{ts: k.ts, rate: rate, ms: float64(k.at.Sub(begin).Microseconds()) / 1000}
			origins[clock{k.ssrc, rate}] = o
		}
		return o
	}
	var last origin
	var samples []int16
	var next uint32
	for _, k := range f.packets {
		e.idle(k.at, last)
		if rate, ok := p.events[k.pt]; ok {
			last = from(k, rate)
			e.event(k.at, last, dtmf.EventPacket{PT: k.pt, SSRC: k.ssrc, Seq: k.seq, Timestamp: k.ts, Marker: k.marker, Payload: k.payload})
		} else if law, ok := p.laws[k.pt]; ok {
			last = from(k, 8000)
			samples = law.Decode(samples[:0], k.payload)
			e.audio(k.at, last, k.ts, samples)
			next = k.ts + uint32(len(samples))
		}
	}
	e.rest(f.packets[len(f.packets)-1].at, last, next)
	return e.found
}
