package dtmf

import (
	"math"
	"math/cmplx"
)

// The front end works in sub-blocks of 4 ms; a frame is a window of four of them.
const (
	subSamples   = 32
	frameSubs    = 4
	frameSamples = subSamples * frameSubs
)

// highPass is a fifth-order elliptic high-pass, 0.5 dB of ripple down to 655 Hz:
// -6.5 dB at 620, -28 at 550, -39 at 440 Hz and below. It makes hum, an offset
// and dial tone harmless before anything is measured.
type highPass struct{ x, y, a1, a2, b1, b2 float64 }

// filter passes samples on to out, by a first-order section and two of second order
// whose zeros are on the unit circle. It returns the sums of squares before and
// behind it.
func (h *highPass) filter(in []int16, out []float32) (raw, filtered float32) {
	f := *h
	for i, sample := range in {
		x := float64(sample)
		first := 0.47273135996622473*(x-f.x) + 0.2934336386090402*f.y
		f.x, f.y = x, first
		second := first + f.a1
		f.a1 = f.a2 - 1.9170813201124506*first + 1.350113641237272*second
		f.a2 = first - 0.6691155207306979*second
		third := second + f.b1
		f.b1 = f.b2 - 1.8368776696555837*second + 1.696916493375233*third
		f.b2 = second - 0.941770686250277*third
		y := float32(third)
		out[i] = y
		raw += float32(sample) * float32(sample)
		filtered += y * y
	}
	*h = f
	return raw, filtered
}

// lossTable is by how much a tone's power before the high-pass is more than
// behind it, as a share, in steps of 16 Hz.
var lossTable [128]float64

func init() {
	for i := range lossTable {
		lossTable[i] = 1/gain(2*math.Pi*float64(16*i+8)/rate) - 1
	}
}

// loss looks a frequency up.
func loss(hz float64) float64 { return lossTable[int(hz/16)&127] }

// gain is the power gain of the high-pass at w radians a sample.
func gain(w float64) float64 {
	z := cmplx.Exp(complex(0, -w))
	h := 0.47273135996622473 * (1 - z) / (1 - 0.2934336386090402*z)
	h *= (1 - 1.9170813201124506*z + z*z) / (1 - 1.350113641237272*z + 0.6691155207306979*z*z)
	h *= (1 - 1.8368776696555837*z + z*z) / (1 - 1.696916493375233*z + 0.941770686250277*z*z)
	return real(h)*real(h) + imag(h)*imag(h)
}

// energy is the mean square of a sub-block, before and behind the high-pass.
type energy struct{ raw, filtered float32 }

// erased marks a sub-block whose sound was lost.
var erased = energy{-1, -1}

func (e energy) lost() bool { return e.raw < 0 }

// low is what the high-pass took away.
func (e energy) low() float32 { return max(0, e.raw-e.filtered) }

// past is how many sub-blocks of energies are kept: 256 ms.
const past = 64

// history is the energies of the newest sub-blocks.
type history struct {
	e    [past]energy
	head uint32 // the newest is at head-1
}

func (h *history) add(e energy) {
	h.e[h.head%past] = e
	h.head++
}

// ago is the sub-block n before the newest.
func (h *history) ago(n int) energy { return h.e[(h.head-1-uint32(n))%past] }
