package dtmf

import (
	"math"
	"strings"
	"time"
)

// rate is the sampling rate of all sound here, Hz.
const rate = 8000

// The frequencies of the keys, Hz (ITU-T Q.23).
var (
	lows  = [4]float64{697, 770, 852, 941}
	highs = [4]float64{1209, 1336, 1477, 1633}
)

// keys by row and column.
const keys = "123A456B789C*0#D"

// senderTwist is how much stronger the high tone is sent, dB: lines weaken it more
// (ETSI ES 201 235-2 §4.2.2 asks for 1 to 4).
const senderTwist = 2

// AppendTone appends a key's two tones over d, linear at 8 kHz: the low one at
// level dBm0, the high one 2 dB above it. The edges are ramped over 3 ms, so that
// they do not click.
func AppendTone(dst []int16, digit byte, d time.Duration, level float64) []int16 {
	n := int(d.Seconds() * rate)
	return AppendTonePart(dst, digit, 0, n, n, level)
}

// AppendTonePart appends n samples of AppendTone's, from sample from on; whole is
// how many there are in all, 0 while that is not known.
func AppendTonePart(dst []int16, digit byte, from, n, whole int, level float64) []int16 {
	i := strings.IndexByte(keys, digit)
	if i < 0 {
		return dst
	}
	low, high := lows[i/4], highs[i%4]
	// 0 dBm0 is a sine of 3.14 dB below the G.711 overload point (ITU-T G.711).
	peak := fullScale * math.Pow(10, (level-3.14)/20)
	higher := peak * math.Pow(10, senderTwist/20.0)
	const ramp = 24
	for t := from; t < from+n; t++ {
		edge := min(1, float64(t+1)/ramp)
		if whole > 0 {
			edge = max(0, min(edge, float64(whole-t)/ramp))
		}
		phase := 2 * math.Pi * float64(t) / rate
		dst = append(dst, int16(edge*(peak*math.Sin(low*phase)+higher*math.Sin(high*phase))))
	}
	return dst
}
