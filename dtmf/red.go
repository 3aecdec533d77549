package dtmf

import "encoding/binary"

// RedBlock is one block of a redundant payload: what a packet of its own would
// have carried.
type RedBlock struct {
	PT        uint8
	Timestamp uint32
	Payload   []byte // part of the payload that was read
}

const maxRed = 8

// Red reads a redundant payload (RFC 2198 §3), oldest block first; timestamp is the
// packet's. n is 0 for one that is torn.
func Red(payload []byte, timestamp uint32) (blocks [maxRed]RedBlock, n int) {
	var lengths [maxRed]int
	rest := payload
	for {
		if len(rest) == 0 || n == maxRed {
			return blocks, 0
		}
		pt := rest[0] & 0x7f
		if rest[0]&0x80 == 0 { // the last header, of the block that is no repetition
			blocks[n] = RedBlock{PT: pt, Timestamp: timestamp}
			rest = rest[1:]
			break
		}
		if len(rest) < 4 {
			return blocks, 0
		}
		word := binary.BigEndian.Uint32(rest)
		blocks[n] = RedBlock{PT: pt, Timestamp: timestamp - word>>10&0x3fff}
		lengths[n] = int(word & 0x3ff)
		rest = rest[4:]
		n++
	}
	for i := range n {
		if len(rest) < lengths[i] {
			return blocks, 0
		}
		blocks[i].Payload, rest = rest[:lengths[i]], rest[lengths[i]:]
	}
	blocks[n].Payload = rest
	return blocks, n + 1
}
