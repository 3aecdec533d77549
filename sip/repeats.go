package sip

import (
	"hash/maphash"
	"sync"
)

// repeatsKept is how many datagrams back a retransmission is recognised: at 100
// calls a second and 20 messages a call, the last 4 s.
const repeatsKept = 8192

// repeats tells datagrams that were seen before. A retransmission is the same
// bytes again (RFC 3261 §17), so a hash is all there is to remember.
type repeats struct {
	seed maphash.Seed

	mu   sync.Mutex
	ring []uint64
	next int
	last map[uint64]int // hash → how many times it is in ring
}

func newRepeats() *repeats {
	return &repeats{seed: maphash.MakeSeed(), ring: make([]uint64, 0, 64), last: make(map[uint64]int)}
}

// seen remembers b and reports whether it already was.
func (r *repeats) seen(b []byte) bool {
	sum := maphash.Bytes(r.seed, b)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ring) < repeatsKept {
		r.ring = append(r.ring, sum)
	} else {
		r.forget(r.ring[r.next])
		r.ring[r.next] = sum
		r.next = (r.next + 1) % repeatsKept
	}
	r.last[sum]++
	return r.last[sum] > 1
}

func (r *repeats) forget(sum uint64) {
	if r.last[sum]--; r.last[sum] == 0 {
		delete(r.last, sum)
	}
}
