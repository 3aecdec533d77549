package media

import (
	"net/netip"
	"time"
)

// read feeds a stream's packets to it from a socket that no lane can wait for:
// one in memory, or of another system than Linux. It ends with the socket.
func (s *Stream) read() {
	buffer := make([]byte, maxPacket)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			s.mu.Lock()
			closed := s.closed
			s.mu.Unlock()
			if closed {
				return
			}
			continue // an ICMP error of an earlier packet
		}
		s.packet(time.Now(), buffer[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
}
