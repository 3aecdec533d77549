package media

import "net/netip"

// unreachable reports whether the far end names an address that cannot be
// reached from where we are: a private one (RFC 1918, RFC 4193), a shared one
// (RFC 6598) or its own, while we are on the public Internet. A carrier that does
// so is behind a NAT it does not know of; its sound comes from elsewhere, is
// believed after a few packets, and is answered there (latch.go).
func unreachable(ours, theirs netip.Addr) bool {
	return !local4(ours) && local4(theirs)
}

var shared = netip.MustParsePrefix("100.64.0.0/10")

func local4(addr netip.Addr) bool {
	return addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || shared.Contains(addr)
}

// reportNAT tells of such an address, once for each.
func (s *Stream) reportNAT(theirs netip.Addr) {
	if s.reported == theirs || !unreachable(s.ours.addr.Addr(), theirs) {
		return
	}
	s.reported = theirs
	s.log.Warn("media: the session description names an address that cannot be reached from here; sound is awaited from elsewhere",
		"addr", theirs)
}
