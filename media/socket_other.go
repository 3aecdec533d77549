//go:build !linux

package media

import "net"

// mark leaves the DSCP to the system's own policy.
func mark(*net.UDPConn, int) error { return nil }
