package dtmf

import (
	"math"
	"testing"
	"time"
)

// TestTonesAreAsSendersMustBe: ETSI ES 201 235-2 asks for frequencies within 1.5 %,
// the high tone 1 to 4 dB stronger, all else 20 dB below, and 65 ms of it.
func TestTonesAreAsSendersMustBe(t *testing.T) {
	for i := range len(keys) {
		for _, level := range []float64{-20, -9, -6} {
			s := AppendTone(nil, keys[i], 100*time.Millisecond, level)
			var middle [frameSamples]float32
			for n := range middle {
				middle[n] = float32(s[len(s)/2+n])
			}
			low, high := lows[i/4], highs[i%4]
			f, ok := fit(&middle, low, high)
			if !ok || math.Abs(f.low/low-1) > 0.001 || math.Abs(f.high/high-1) > 0.001 || f.residual > 0.001*f.squares {
				t.Errorf("%c: %+v", keys[i], f)
			}
			if twist := 20 * math.Log10(f.highAmp/f.lowAmp); math.Abs(twist-senderTwist) > 0.1 || twist < 1 || twist > 4 {
				t.Errorf("%c: the high tone is %v dB stronger", keys[i], twist)
			}
			if math.Abs(dBm0(f.lowAmp)-level) > 0.1 {
				t.Errorf("%c: the low tone is of %v dBm0, want %v", keys[i], dBm0(f.lowAmp), level)
			}
		}
	}
	if pressTime < 65*time.Millisecond || restTime < 65*time.Millisecond {
		t.Errorf("%v down, %v up", pressTime, restTime)
	}
}
