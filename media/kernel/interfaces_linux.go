//go:build amd64 || arm64

package kernel

import (
	"net"
	"net/netip"
)

// Interfaces names those that carry a media address: lo, by which far ends on
// this machine come, and those that have the address; if it is unspecified, or
// no interface has it (it is NATed to), all that are up, Ethernet and have one.
func Interfaces(media netip.Addr) ([]string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var local, have, any []string
	for _, i := range all {
		switch {
		case i.Flags&net.FlagUp == 0:
			continue
		case i.Flags&net.FlagLoopback != 0:
			local = append(local, i.Name)
			continue
		case len(i.HardwareAddr) != 6:
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range addresses {
			if n, is := a.(*net.IPNet); is {
				if addr, _ := netip.AddrFromSlice(n.IP); addr.Unmap() == media {
					have = append(have, i.Name)
				}
			}
		}
		if len(addresses) > 0 {
			any = append(any, i.Name)
		}
	}
	switch {
	case media.IsLoopback():
		return local, nil
	case len(have) > 0:
		return append(local, have...), nil
	}
	return append(local, any...), nil
}
