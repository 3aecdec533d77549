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
	Full   Reason = "full"
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
	ClockRate uint32          // Hz, of the timestamp; 0 = 8000
	DSCP      uint8
	TTL       uint8  // and hop limit; 0 = 64
	Rate      uint32 // packets a second at most; 0 = 1000. What is over goes up

	// Where the outgoing stream is: the newest packet of Source that was sent
	// on, and what is added to both to make them ours (modulo 2^16 and 2^32).
	Seq       uint16
	Timestamp uint32
	SeqOffset uint16
	TSOffset  uint32

	Jitter16 uint32 // 16 times the jitter so far, in ticks (RFC 3550 A.8)
}

// Tally is what a flow did since it was added.
type Tally struct {
	Packets    uint64        // sent on
	Bytes      uint64        // of them: RTP with its header
	Duplicates uint64        // came again, and were dropped
	Reordered  uint64        // of Packets: came after a later one
	Last       time.Time     // when the last was sent on; zero = none
	MaxGap     time.Duration // between two
	Jitter16   uint32        // see Flow

	// The newest packet of the source, see Flow.
	Seq       uint16
	Timestamp uint32
}
