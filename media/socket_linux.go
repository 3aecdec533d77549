//go:build linux && (amd64 || arm64)

package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// UDP opens real sockets whose packets carry a DSCP; 46 is EF (RFC 3246).
func UDP(dscp int) func(netip.AddrPort) (PacketConn, error) {
	return func(addr netip.AddrPort) (PacketConn, error) {
		s, err := openSocket(addr)
		if err != nil {
			return nil, fmt.Errorf("udp %s: %w", addr, err)
		}
		if err := s.mark(dscp); err != nil {
			return nil, errors.Join(fmt.Errorf("dscp: %w", err), s.Close())
		}
		return s, nil
	}
}

// socket is a UDP socket that a lane waits for. The runtime's poller does not
// know it, so that a packet wakes one thread and not two.
type socket struct {
	fd     int
	six    bool // of IPv6, which takes IPv4 too where it is bound to ::
	local  netip.AddrPort
	closed atomic.Bool
}

func openSocket(addr netip.AddrPort) (*socket, error) {
	s := &socket{six: addr.Addr().Is6()}
	var at syscall.Sockaddr
	family := syscall.AF_INET6
	if s.six {
		at = &syscall.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
	} else {
		family, at = syscall.AF_INET, &syscall.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s.fd = fd
	if s.six {
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 0) // as net does; without, IPv6 only
	}
	if err := syscall.Bind(fd, at); err != nil {
		return nil, errors.Join(os.NewSyscallError("bind", err), syscall.Close(fd))
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("getsockname", err), syscall.Close(fd))
	}
	switch name := name.(type) {
	case *syscall.SockaddrInet4:
		s.local = netip.AddrPortFrom(netip.AddrFrom4(name.Addr), uint16(name.Port))
	case *syscall.SockaddrInet6:
		s.local = netip.AddrPortFrom(netip.AddrFrom16(name.Addr), uint16(name.Port))
	}
	return s, nil
}

// mark sets the DSCP of what leaves (RFC 2474).
func (s *socket) mark(dscp int) error {
	v4 := syscall.SetsockoptInt(s.fd, syscall.IPPROTO_IP, syscall.IP_TOS, dscp<<2)
	if !s.six {
		return v4
	}
	return syscall.SetsockoptInt(s.fd, syscall.IPPROTO_IPV6, syscall.IPV6_TCLASS, dscp<<2)
}

func (s *socket) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(s.local) }

// Close closes it. A lane must have let go of it.
func (s *socket) Close() error {
	if s.closed.Swap(true) {
		return net.ErrClosed
	}
	return syscall.Close(s.fd)
}

// name is a socket address as the kernel has it.
type name struct {
	octets [syscall.SizeofSockaddrInet6]byte
	size   uint32
}

// set writes an address, for a socket of its own family or of IPv6.
func (n *name) set(to netip.AddrPort, six bool) {
	binary.BigEndian.PutUint16(n.octets[2:], to.Port())
	if !six {
		binary.NativeEndian.PutUint16(n.octets[:], syscall.AF_INET)
		ip := to.Addr().Unmap().As4()
		copy(n.octets[4:], ip[:])
		n.size = syscall.SizeofSockaddrInet4
		return
	}
	binary.NativeEndian.PutUint16(n.octets[:], syscall.AF_INET6)
	ip := to.Addr().As16()
	copy(n.octets[8:], ip[:])
	n.size = syscall.SizeofSockaddrInet6
}

// addr reads what the kernel wrote.
func (n *name) addr() netip.AddrPort {
	port := binary.BigEndian.Uint16(n.octets[2:])
	if binary.NativeEndian.Uint16(n.octets[:]) == syscall.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(n.octets[4:8])), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(n.octets[8:24])).Unmap(), port)
}

// WriteToUDPAddrPort sends at once, or not at all: a full socket loses the packet
// as the wire would.
func (s *socket) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if s.closed.Load() {
		return 0, net.ErrClosed
	}
	if len(b) == 0 || !s.six && !to.Addr().Unmap().Is4() {
		return 0, syscall.EAFNOSUPPORT
	}
	var far name
	far.set(to, s.six)
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		syscall.MSG_DONTWAIT, uintptr(unsafe.Pointer(&far.octets)), uintptr(far.size))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// receive reads a packet that is there. A longer one than b is EMSGSIZE.
func (s *socket) receive(b []byte, from *name) (int, error) {
	from.size = uint32(len(from.octets))
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		syscall.MSG_DONTWAIT|syscall.MSG_TRUNC, uintptr(unsafe.Pointer(&from.octets)), uintptr(unsafe.Pointer(&from.size)))
	switch {
	case errno != 0:
		return 0, errno
	case int(n) > len(b):
		return 0, syscall.EMSGSIZE
	}
	return int(n), nil
}

// receiveNow reads a packet that is there, if there is one.
func (s *socket) receiveNow(b []byte) (n int, from netip.AddrPort, ok bool) {
	var by name
	n, err := s.receive(b, &by)
	return n, by.addr(), err == nil
}

// ReadFromUDPAddrPort waits for a packet, for those who have no lane.
func (s *socket) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	var from name
	for !s.closed.Load() {
		n, err := s.receive(b, &from)
		switch {
		case err == nil:
			return n, from.addr(), nil
		case !errors.Is(err, syscall.EAGAIN):
			return 0, netip.AddrPort{}, err
		}
		if err := s.poll(); err != nil {
			return 0, netip.AddrPort{}, err
		}
	}
	return 0, netip.AddrPort{}, net.ErrClosed
}

// poll waits for a packet, for a tenth of a second at most: closing does not end it.
func (s *socket) poll() error {
	wait := struct {
		fd              int32
		events, revents int16
	}{int32(s.fd), 1, 0} // POLLIN
	tenth := syscall.Timespec{Nsec: 100e6}
	_, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&wait)), 1, uintptr(unsafe.Pointer(&tenth)), 0, 0, 0)
	if errno != 0 && errno != syscall.EINTR {
		return errno
	}
	return nil
}

// stamp is when the kernel received the packet that was read last, in
// nanoseconds since 1970; 0 = it does not know. The first time it only begins to
// note that.
func (s *socket) stamp() int64 {
	const siocgstampns = 0x8907
	var at syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, uintptr(s.fd), siocgstampns, uintptr(unsafe.Pointer(&at)))
	if errno != 0 {
		return 0
	}
	return at.Nano()
}
