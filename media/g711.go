package media

import "github.com/zaf/g711"

// Tables, for a packet must not allocate: linear by octet, octet by linear, and
// octet of one law by octet of the other.
var (
	linear  [2][256]int16
	octets  [2][1 << 14]byte // by the upper 14 bits of a sample
	between [2][256]byte
)

func init() {
	for i := range 256 {
		linear[0][i] = g711.DecodeUlawFrame(byte(i))
		linear[1][i] = g711.DecodeAlawFrame(byte(i))
		between[0][i] = g711.Ulaw2AlawFrame(byte(i))
		between[1][i] = g711.Alaw2UlawFrame(byte(i))
	}
	for i := range octets[0] {
		sample := int16(uint16(i) << 2)
		octets[0][i] = g711.EncodeUlawFrame(sample)
		octets[1][i] = g711.EncodeAlawFrame(sample)
	}
}

func (c Codec) table() int {
	if c == PCMA {
		return 1
	}
	return 0
}

// silent reports whether a payload is digital silence: one octet, of a sample
// near zero.
func (c Codec) silent(payload []byte) bool {
	sample := linear[c.table()][payload[0]]
	if sample > 8 || sample < -8 {
		return false
	}
	for _, octet := range payload[1:] {
		if octet != payload[0] {
			return false
		}
	}
	return true
}

// Decode appends the samples of a payload to dst.
func (c Codec) Decode(dst []int16, payload []byte) []int16 {
	table := &linear[c.table()]
	for _, octet := range payload {
		dst = append(dst, table[octet])
	}
	return dst
}

// encode appends the octets of samples to dst.
func (c Codec) encode(dst []byte, samples []int16) []byte {
	table := &octets[c.table()]
	for _, sample := range samples {
		dst = append(dst, table[uint16(sample)>>2])
	}
	return dst
}

// transcode appends a payload of the other law to dst.
func (c Codec) transcode(dst, payload []byte) []byte {
	table := &between[c.table()]
	for _, octet := range payload {
		dst = append(dst, table[octet])
	}
	return dst
}
