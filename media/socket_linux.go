package media

import (
	"net"
	"syscall"
)

// mark sets the DSCP of what leaves a socket (RFC 2474), for both families.
func mark(conn *net.UDPConn, dscp int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var v4, v6 error
	err = raw.Control(func(fd uintptr) {
		v4 = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_TOS, dscp<<2)
		v6 = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_TCLASS, dscp<<2)
	})
	if err == nil && v4 != nil && v6 != nil { // a socket has one family at least
		return v4
	}
	return err
}
