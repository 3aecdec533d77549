package media

import (
	"net/netip"
	"testing"
	"time"
)

var (
	described = netip.MustParseAddrPort("192.0.2.1:4000")
	behindNAT = netip.MustParseAddrPort("198.51.100.9:61000")
	outsider  = netip.MustParseAddrPort("203.0.113.5:9")
)

// latched is a latch with a clock: each packet comes 20 ms after the one before.
type latched struct {
	latch
	now time.Time
}

func describedLatch(symmetric bool, from ...netip.Prefix) *latched {
	l := &latched{latch: latch{symmetric: symmetric, from: from}, now: time.Unix(1000, 0)}
	l.describe(described)
	return l
}

func (l *latched) takes(from netip.AddrPort, ssrc uint32, seq uint16) bool {
	l.now = l.now.Add(frameTime)
	return l.believe(l.now, from, ssrc, seq) == believed
}

func TestDescribedAddressIsBelievedAtOnce(t *testing.T) {
	l := describedLatch(true)
	if l.target() != described || !l.takes(described, 1, 1) || l.takes(outsider, 1, 2) {
		t.Error("the far end is not who was described")
	}
}

func TestAPhoneBehindANATIsLearnt(t *testing.T) {
	l := describedLatch(true)
	for seq := uint16(65534); seq != 1; seq++ {
		if l.takes(behindNAT, 1, seq) {
			t.Fatalf("believed after sequence %d", seq)
		}
	}
	if !l.takes(behindNAT, 1, 1) || l.target() != behindNAT {
		t.Error("not learnt after four packets in a row")
	}
	for seq := range uint16(100) {
		if l.takes(outsider, 2, seq) {
			t.Fatal("a stranger took the stream over")
		}
	}
}

func TestWhoGuessesIsNotLearnt(t *testing.T) {
	l := describedLatch(true)
	for seq := uint16(0); seq < 200; seq += 2 { // never two in a row
		if l.takes(outsider, 1, seq) {
			t.Fatal("believed")
		}
	}
	for i := range uint16(100) { // another source each time
		if l.takes(outsider, uint32(i), i) {
			t.Fatal("believed")
		}
	}
}

func TestWithoutSymmetricNobodyElseIsBelieved(t *testing.T) {
	l := describedLatch(false)
	for seq := range uint16(20) {
		if l.takes(behindNAT, 1, seq) {
			t.Fatal("believed")
		}
	}
}

func TestMediaFromKeepsOthersOut(t *testing.T) {
	l := describedLatch(true, netip.MustParsePrefix("198.51.100.0/24"))
	for seq := range uint16(20) {
		if l.takes(outsider, 1, seq) {
			t.Fatal("believed")
		}
	}
	for seq := range uint16(probation) {
		l.takes(behindNAT, 1, seq)
	}
	if l.target() != behindNAT {
		t.Error("the network that may is kept out")
	}
}

func TestMovedAddressIsLearntAnew(t *testing.T) {
	l := describedLatch(true)
	l.takes(described, 1, 1)
	l.describe(behindNAT)
	if l.target() != behindNAT || !l.takes(behindNAT, 1, 2) || l.takes(described, 1, 3) {
		t.Error("the old address is believed still")
	}
}

func TestRefreshedDescriptionLetsAForgottenNATBeLearntAnew(t *testing.T) {
	l := describedLatch(true)
	for seq := range uint16(probation) {
		l.takes(behindNAT, 1, seq)
	}
	l.describe(described) // the same as before
	other := netip.AddrPortFrom(behindNAT.Addr(), 7)
	if !l.takes(behindNAT, 1, 4) {
		t.Fatal("a refresh loses the source")
	}
	for seq := range uint16(20) { // the source was heard since
		if l.takes(other, 1, seq) {
			t.Fatal("a stranger took the stream over")
		}
	}
	l.describe(described)
	for seq := range uint16(probation) {
		l.takes(other, 1, 5+seq)
	}
	if l.target() != other {
		t.Error("a phone whose NAT gave it another port stays unheard")
	}
}

func TestSecondStreamOfAnAddressWaitsForTheFirstToEnd(t *testing.T) {
	l := describedLatch(true)
	for seq := range uint16(50) {
		l.takes(described, 1, seq)
		if l.takes(described, 666, seq) {
			t.Fatal("two streams at once")
		}
	}
	taken := 0
	for seq := range uint16(10) { // as when another phone behind the same gateway answers
		if l.takes(described, 2, seq) {
			taken++
		}
	}
	if taken < 8 {
		t.Errorf("%d of 10 packets of the stream that followed", taken)
	}
}
