package sip

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	hepQueue = 1024             // messages that wait for the collector
	hepPause = 10 * time.Second // before a collector that failed is tried again
)

// HEP sends what is said to a Homer collector: HEP version 3, "The Hep
// Encapsulation Protocol", rev. 11, over UDP. It never makes a call wait: what
// its queue has no room for is counted and lost.
type HEP struct {
	dial    func(context.Context) (net.Conn, error)
	id      uint32
	secret  string
	log     *slog.Logger
	queue   chan Traced
	lost    atomic.Int64
	ctx     context.Context
	stop    context.CancelFunc
	sending sync.WaitGroup
}

// NewHEP starts sending to what dial connects to. id is the capture id, secret
// the collector's password, "" for none. Close ends it.
func NewHEP(dial func(context.Context) (net.Conn, error), id uint32, secret string, log *slog.Logger) *HEP {
	h := &HEP{dial: dial, id: id, secret: secret, log: log, queue: make(chan Traced, hepQueue)}
	h.ctx, h.stop = context.WithCancel(context.Background())
	h.sending.Go(h.run)
	return h
}

// Send queues a message. It does not block.
func (h *HEP) Send(m Traced) {
	select {
	case h.queue <- m:
	default:
		h.lost.Add(1)
	}
}

// Lost is how many messages the collector never got.
func (h *HEP) Lost() int64 { return h.lost.Load() }

// Close stops sending.
func (h *HEP) Close() error {
	h.stop()
	h.sending.Wait()
	return nil
}

// run connects, and connects again when that fails.
func (h *HEP) run() {
	for h.ctx.Err() == nil {
		if conn, err := h.dial(h.ctx); err != nil {
			h.log.Warn("sip: HEP collector not reached", "err", err)
		} else {
			err = h.feed(conn)
			_ = conn.Close()
			if h.ctx.Err() == nil {
				h.log.Warn("sip: HEP collector lost", "err", err)
			}
		}
		select {
		case <-h.ctx.Done():
		case <-time.After(hepPause):
		}
	}
}

func (h *HEP) feed(conn net.Conn) error {
	for {
		select {
		case <-h.ctx.Done():
			return h.ctx.Err()
		case m := <-h.queue:
			if _, err := conn.Write(h.packet(m)); err != nil {
				h.lost.Add(1)
				return err
			}
		}
	}
}

// The generic chunks of HEP3.
const (
	hepFamily      = 1
	hepProtocol    = 2
	hepSource4     = 3
	hepTarget4     = 4
	hepSource6     = 5
	hepTarget6     = 6
	hepSourcePort  = 7
	hepTargetPort  = 8
	hepSeconds     = 9
	hepMicros      = 10
	hepPayloadType = 11 // 1 = SIP
	hepCaptureID   = 12
	hepSecret      = 14
	hepPayload     = 15
	hepCorrelation = 17
)

// packet is one message in HEP3, with our call id as correlation id.
func (h *HEP) packet(m Traced) []byte {
	source, target := m.Remote, m.Local
	if m.Sent {
		source, target = m.Local, m.Remote
	}
	b := append(make([]byte, 0, 256+len(m.Message)), "HEP3\x00\x00"...)
	chunk := func(kind uint16, value []byte) {
		b = binary.BigEndian.AppendUint16(b, 0) // generic
		b = binary.BigEndian.AppendUint16(b, kind)
		b = binary.BigEndian.AppendUint16(b, uint16(6+len(value)))
		b = append(b, value...)
	}
	word := func(kind uint16, v uint32) { chunk(kind, binary.BigEndian.AppendUint32(nil, v)) }
	short := func(kind, v uint16) { chunk(kind, binary.BigEndian.AppendUint16(nil, v)) }
	if source.Addr().Is4() || target.Addr().Is4() {
		chunk(hepFamily, []byte{2}) // AF_INET
		from, to := four(source.Addr().AsSlice()), four(target.Addr().AsSlice())
		chunk(hepSource4, from[:])
		chunk(hepTarget4, to[:])
	} else {
		chunk(hepFamily, []byte{10}) // AF_INET6
		from, to := source.Addr().As16(), target.Addr().As16()
		chunk(hepSource6, from[:])
		chunk(hepTarget6, to[:])
	}
	chunk(hepProtocol, []byte{map[string]byte{"udp": 17, "tcp": 6, "tls": 6}[m.Transport]})
	short(hepSourcePort, source.Port())
	short(hepTargetPort, target.Port())
	word(hepSeconds, uint32(m.At.Unix()))
	word(hepMicros, uint32(m.At.Nanosecond()/1000))
	chunk(hepPayloadType, []byte{1})
	word(hepCaptureID, h.id)
	if h.secret != "" {
		chunk(hepSecret, []byte(h.secret))
	}
	if m.Call != "" {
		chunk(hepCorrelation, []byte(m.Call))
	}
	chunk(hepPayload, []byte(m.Message))
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
	return b
}

// four is an IPv4 address, 0.0.0.0 where the other end's family is unknown.
func four(addr []byte) (a [4]byte) {
	if len(addr) == 4 {
		copy(a[:], addr)
	}
	return a
}
