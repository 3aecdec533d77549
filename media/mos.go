package media

import (
	"math"
	"time"
)

// enough is how many packets make a quality measured: a second of sound.
const enough = 50

// MOS estimates what a listener would say of what came in, 1 to 4.5. ok is false
// until a second of sound has been expected and some has come, and for sound of a
// wide codec, of which the model knows nothing.
func (s Stats) MOS() (mos float64, ok bool) {
	if s.Expected < enough || s.Received == 0 || s.Wide {
		return 0, false
	}
	return emodel(s.Loss(), s.burstRatio(), s.delay(s.Jitter)), true
}

// FarMOS is likewise what the far end heard of us, by its own reports.
func (s Stats) FarMOS() (mos float64, ok bool) {
	if s.Far.Reports == 0 || s.Sent < enough || s.SentWide {
		return 0, false
	}
	return emodel(s.Far.Loss, 1, s.delay(s.Far.Jitter)), true
}

// delay is one way: half the round trip, a packet, and a jitter buffer of twice
// the jitter.
func (s Stats) delay(jitter time.Duration) time.Duration {
	return s.RTT/2 + frameTime + 2*jitter
}

// burstRatio is BurstR of ITU-T G.107 §3.5: the mean length of the losses in a
// row, over that of losses at random, which is 1/(1-loss). At least 1.
func (s Stats) burstRatio() float64 {
	if s.Bursts == 0 {
		return 1
	}
	return max(1, float64(s.Lost)/float64(s.Bursts)*(1-s.Loss()))
}

// emodel is the E-model of ITU-T G.107 for G.711 with concealment (G.113,
// appendix I: Ie 0, Bpl 25.1), all else by default. loss is 0 to 1.
func emodel(loss, burstRatio float64, delay time.Duration) float64 {
	const bpl = 25.1
	percent := 100 * loss
	d := delay.Seconds() * 1000
	r := 93.2 - 0.024*d - 95*percent/(percent/burstRatio+bpl)
	if d > 177.3 {
		r -= 0.11 * (d - 177.3)
	}
	switch {
	case r <= 0:
		return 1
	case r >= 100:
		return 4.5
	}
	return max(1, math.Round((1+0.035*r+7e-6*r*(r-60)*(100-r))*100)/100)
}
