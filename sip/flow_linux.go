package sip

import "syscall"

// unacknowledged makes the kernel give up a connection whose octets nobody has
// acknowledged for 10 s; its own patience is a quarter of an hour (RFC 5482).
func unacknowledged(_, _ string, c syscall.RawConn) (err error) {
	const userTimeout = 18 // TCP_USER_TIMEOUT, include/uapi/linux/tcp.h
	fault := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, userTimeout, int(pongWithin.Milliseconds()))
	})
	if fault != nil {
		return fault
	}
	return err
}
