package media

import (
	"net/netip"
	"testing"
)

var (
	described = netip.MustParseAddrPort("192.0.2.1:4000")
	behindNAT = netip.MustParseAddrPort("198.51.100.9:61000")
	stranger  = netip.MustParseAddrPort("203.0.113.5:9")
)

func TestDescribedAddressIsBelievedAtOnce(t *testing.T) {
	l := latch{symmetric: true}
	l.describe(described)
	if l.target() != described || !l.believe(described, 1, 1) || l.believe(stranger, 1, 2) {
		t.Error("the far end is not who was described")
	}
}

func TestAPhoneBehindANATIsLearnt(t *testing.T) {
	l := latch{symmetric: true}
	l.describe(described)
	for seq := uint16(65534); seq != 1; seq++ {
		if l.believe(behindNAT, 1, seq) {
			t.Fatalf("believed after sequence %d", seq)
		}
	}
	if !l.believe(behindNAT, 1, 1) || l.target() != behindNAT {
		t.Error("not learnt after four packets in a row")
	}
	for seq := range uint16(100) {
		if l.believe(stranger, 2, seq) {
			t.Fatal("a stranger took the stream over")
		}
	}
}

func TestWhoGuessesIsNotLearnt(t *testing.T) {
	l := latch{symmetric: true}
	l.describe(described)
	for seq := uint16(0); seq < 200; seq += 2 { // never two in a row
		if l.believe(stranger, 1, seq) {
			t.Fatal("believed")
		}
	}
	for i := range uint16(100) { // another source each time
		if l.believe(stranger, uint32(i), i) {
			t.Fatal("believed")
		}
	}
}

func TestWithoutSymmetricNobodyElseIsBelieved(t *testing.T) {
	l := latch{}
	l.describe(described)
	for seq := range uint16(20) {
		if l.believe(behindNAT, 1, seq) {
			t.Fatal("believed")
		}
	}
}

func TestMediaFromKeepsOthersOut(t *testing.T) {
	l := latch{symmetric: true, from: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}
	l.describe(described)
	for seq := range uint16(20) {
		if l.believe(stranger, 1, seq) {
			t.Fatal("believed")
		}
	}
	for seq := range uint16(probation) {
		l.believe(behindNAT, 1, seq)
	}
	if l.target() != behindNAT {
		t.Error("the network that may is kept out")
	}
}

func TestMovedAddressIsLearntAnew(t *testing.T) {
	l := latch{symmetric: true}
	l.describe(described)
	l.believe(described, 1, 1)
	l.describe(behindNAT)
	if l.target() != behindNAT || !l.believe(behindNAT, 1, 2) || l.believe(described, 1, 3) {
		t.Error("the old address is believed still")
	}
}
