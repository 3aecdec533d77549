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

// AppendTone appends a key's two tones, level dBm0 each, over d, linear at
// 8 kHz. The edges are ramped over 5 ms, so that they do not click.
func AppendTone(dst []int16, digit byte, d time.Duration, level float64) []int16 {
	i := strings.IndexByte(keys, digit)
	if i < 0 {
		return dst
	}
	low, high := lows[i/4], highs[i%4]
	// 0 dBm0 is a sine of 3.14 dB below the G.711 overload point (ITU-T G.711).
	peak := 32124 * math.Pow(10, (level-3.14)/20)
	n := int(d.Seconds() * rate)
	const ramp = 40
	for t := range n {
		edge := min(1, float64(min(t+1, n-t))/ramp)
		phase := 2 * math.Pi * float64(t) / rate
		dst = append(dst, int16(edge*peak*(math.Sin(low*phase)+math.Sin(high*phase))))
	}
	return dst
}
