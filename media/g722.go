package media

// g722 is one direction of G.722's lower band (ITU-T G.722 §3, §4; 64 kbit/s):
// ADPCM of 6 bits a sample at 8 kHz, which is all that telephone sound has of it.
// The upper band, 4 to 8 kHz, is sent as silence and not heard, and so the filters
// between bands and 16 kHz are not needed. Names are the Recommendation's.
type g722 struct {
	nb, det      int32    // the scale: its logarithm, and itself
	s, sz        int32    // what is predicted; and by zeros alone
	a1, a2       int32    // poles
	b            [6]int32 // zeros
	d            [6]int32 // differences, the newest first
	r1, r2       int32    // reconstructed
	sign1, sign2 int32    // of what was partially reconstructed: 0 or -1
}

func newG722() g722 { return g722{det: 32} }

// silentBand is the upper band's two bits where there is nothing in it.
const silentBand = 3 << 6

// write encodes a sample.
func (g *g722) write(sample int16) byte {
	e := clip(int32(sample)>>1 - g.s)
	magnitude := e ^ e>>15 // -(e+1) where it is negative
	level := int32(1)
	for level < 30 && magnitude >= q6[level]*g.det>>12 {
		level++
	}
	code := 62 - level
	switch {
	case e < 0 && level < 3:
		code = 64 - level
	case e < 0:
		code = 34 - level
	}
	g.adapt(code)
	return silentBand | byte(code)
}

// read decodes a sample.
func (g *g722) read(octet byte) int16 {
	code := int32(octet & 0x3f)
	r := min(max(g.s+g.det*qm6[code]>>15, -1<<14), 1<<14-1)
	g.adapt(code)
	return int16(r << 1)
}

// encode appends samples to dst in a codec, which may be G.711 too.
func (g *g722) encode(dst []byte, c Codec, samples []int16) []byte {
	if c != G722 {
		return c.encode(dst, samples)
	}
	for _, sample := range samples {
		dst = append(dst, g.write(sample))
	}
	return dst
}

// decode appends the samples of a payload to dst, likewise.
func (g *g722) decode(dst []int16, c Codec, payload []byte) []int16 {
	if c != G722 {
		return c.Decode(dst, payload)
	}
	for _, octet := range payload {
		dst = append(dst, g.read(octet))
	}
	return dst
}

// transcode appends a payload of the other leg's to dst, in another codec. In each
// of them a sample of ours is one octet.
func (s *Stream) transcode(dst []byte, from, to Codec, payload []byte) []byte {
	switch {
	case from == G722:
		for _, octet := range payload {
			dst = append(dst, octets[to.table()][uint16(s.decoder.read(octet))>>2])
		}
	case to == G722:
		for _, octet := range payload {
			dst = append(dst, s.coder.write(linear[from.table()][octet]))
		}
	default:
		dst = from.transcode(dst, payload)
	}
	return dst
}

// adapt follows a code, on both ends alike.
func (g *g722) adapt(code int32) {
	code >>= 2 // the lower two bits are not looked at, as a 48 kbit/s decoder has not got them
	d := g.det * qm4[code] >> 15
	g.nb = min(max(g.nb*127>>7+wl[code], 0), 18432)
	g.det = ilb[g.nb>>6&31] << 1 >> (9 - g.nb>>11) << 2
	g.predict(d)
}

// predict is blocks 4L: it moves the two poles and six zeros a little, and says
// what the next sample will be.
func (g *g722) predict(d int32) {
	r, sign := clip(g.s+d), clip(g.sz+d)>>15
	toward := func(other, step int32) int32 {
		if sign == other {
			return step
		}
		return -step
	}
	a2 := toward(g.sign2, 128) + min(toward(g.sign1, -clip(g.a1<<2)), 32767)>>7 + g.a2*32512>>15
	g.a2 = min(max(a2, -12288), 12288)
	most := 15360 - g.a2
	g.a1 = min(max(clip(toward(g.sign1, 192)+g.a1*32640>>15), -most), most)
	g.sign2, g.sign1 = g.sign1, sign

	for i := range g.b {
		step := int32(0)
		switch {
		case d == 0:
		case g.d[i]>>15 == d>>15:
			step = 128
		default:
			step = -128
		}
		g.b[i] = clip(step + g.b[i]*32640>>15)
	}
	copy(g.d[1:], g.d[:])
	g.d[0] = d
	g.r2, g.r1 = g.r1, r

	g.sz = 0
	for i, b := range g.b {
		g.sz += b * clip(2*g.d[i]) >> 15
	}
	g.sz = clip(g.sz)
	g.s = clip(clip(g.a1*clip(2*g.r1)>>15+g.a2*clip(2*g.r2)>>15) + g.sz)
}

// clip is a value as 16 bits hold it.
func clip(x int32) int32 { return min(max(x, -1<<15), 1<<15-1) }

// The Recommendation's tables: decision levels, quantiser outputs of 6 and of 4
// bits by their codes, what these do to the scale, and its antilogarithm.
var (
	q6 = [30]int32{
		0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650,
		714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
	}
	qm6 = [64]int32{
		-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
		-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
		24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
		4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
	}
	qm4 = [16]int32{0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0}
	wl  = [16]int32{-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60}
	ilb = [32]int32{
		2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
		2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
	}
)
