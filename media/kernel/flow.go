package kernel

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"
)

// Config is what a Table is opened with.
type Config struct {
	Interfaces []string     // names; see Interfaces
	Flows      int          // at most at a time; two a call
	Log        *slog.Logger // nil = none
}

// Reason is why the kernel path is not to be had, or not for one flow: a closed
// list, for metrics.
type Reason string

// Why Open refuses.
const (
	Platform   Reason = "platform"   // not Linux, or a processor this is not made for
	Capability Reason = "capability" // not allowed: CAP_BPF and CAP_NET_ADMIN
	TooOld     Reason = "kernel"     // no TCX, or no eBPF
	Interface  Reason = "interface"  // missing, or not Ethernet
)

// Why Add refuses. Interface is one too: packets come or go by another one.
const (
	Full   Reason = "full"   // as many as there may be, or its port has one
	Family Reason = "family" // one leg IPv4, the other IPv6
	Route  Reason = "route"  // none to the far end
	Loop   Reason = "loop"   // a far end that is one of our own ports
	Closed Reason = "closed"
)

// Reasons is every Reason.
var Reasons = []Reason{Platform, Capability, TooOld, Interface, Full, Family, Route, Loop, Closed}

// A Refusal is the error of Open and Add.
type Refusal struct {
	Reason Reason
	Err    error // what to do about it
}

func (r *Refusal) Error() string { return fmt.Sprintf("kernel path: %v", r.Err) }

func (r *Refusal) Unwrap() error { return r.Err }

func refuse(reason Reason, format string, args ...any) error {
	return &Refusal{reason, fmt.Errorf(format, args...)}
}

// ReasonOf is the Reason of an error of Open or Add.
func ReasonOf(err error) (Reason, bool) {
	var r *Refusal
	if !errors.As(err, &r) {
		return "", false
	}
	return r.Reason, true
}

// Ends are the two ends of one leg's RTP.
type Ends struct {
	Local  netip.AddrPort // ours; an unspecified address stands for that of the route to Remote
	Remote netip.AddrPort
}

// Flow is one direction: what comes in by one leg goes out by the other.
type Flow struct {
	In, Out   Ends
	Source    uint32          // the SSRC that comes in
	SSRC      uint32          // and that of ours which it becomes
	Types     map[uint8]uint8 // payload types that go down, to what they become
	ClockRate uint32          // Hz, of the timestamp; 0 = 8000; at most 10^9
	DSCP      uint8
	TTL       uint8  // and hop limit; 0 = 64
	Rate      uint32 // packets a second at most; 0 = 1000. What is over goes up

	// Where the outgoing stream is: the newest packet of Source that was sent
	// on, and what is added to both to make them ours (modulo 2^16 and 2^32).
	Seq       uint16
	Timestamp uint32
	SeqOffset uint16
	TSOffset  uint32

	Reception // so far
}

// Reception is how a leg's packets have come: what must go on where the path
// changes for its figures to stay true (RFC 3550 §6.4.1, §A.1, §A.8).
type Reception struct {
	Epoch    time.Time // transit times count from here; zero = now
	Last     time.Time // when the newest packet came; zero = now
	Seen     uint64    // which of the newest and the 63 before it came; bit 0 is the newest
	Second   time.Time // when the second began that is counted for Rate; zero = none has
	Within   uint32    // packets in it
	InBurst  bool      // what left that window last had not come
	Timed    bool      // the rest is valid; ticks of ClockRate
	Transit  int32     // of the newest
	Quickest int32     // of all
	Jitter16 int32     // 16 times the jitter
}

// Tally is what a flow did since it was added, and where it is now.
type Tally struct {
	Packets    uint64        // sent on
	Bytes      uint64        // of their payload
	Advance    uint64        // of the sequence number
	Lost       uint64        // of what has left the window of Seen
	Bursts     uint64        // losses in a row count as one
	Late       uint64        // more than 60 ms behind the quickest
	Duplicates uint64        // came again, and were dropped
	Reordered  uint64        // of Packets: came after a later one
	MaxGap     time.Duration // between two

	// The newest packet of the source, as in Flow.
	Seq       uint16
	Timestamp uint32
	Reception
}
