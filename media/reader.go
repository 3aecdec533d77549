package media

import (
	"net/netip"
	"time"
)

// handler takes a datagram, and may write to it; b is the caller's again when it
// returns.
type handler func(now time.Time, b []byte, from netip.AddrPort)

// observe takes how long a packet was here, from in to out.
type observe func(time.Duration)

// measureEvery is how many packets there are to one that is measured.
const measureEvery = 64

// read feeds a handler from a socket that no lane can wait for: one in memory,
// or of another system than Linux. It ends with the socket.
func (s *Stream) read(conn PacketConn, handle handler) {
	buffer := make([]byte, maxPacket)
	for turns := uint(1); ; turns++ {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			s.mu.Lock()
			closed := s.closed
			s.mu.Unlock()
			if closed {
				return
			}
			continue // an ICMP error of an earlier packet
		}
		now := time.Now()
		handle(now, buffer[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		if o := s.pool.observe; o != nil && turns%measureEvery == 0 {
			o(time.Since(now))
		}
	}
}

// source is a socket and who takes what comes by it.
type source struct {
	conn   PacketConn
	handle handler
}

// attach has the lane, or a goroutine each, read the stream's sockets.
func (s *Stream) attach(sources ...source) {
	if remove, ok := s.lane.add(sources...); ok {
		s.detach = remove
		return
	}
	for _, one := range sources {
		s.wait.Go(func() { s.read(one.conn, one.handle) })
	}
}
