package api

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"syscall"
)

// errBlocked says that a webhook would have gone where the public cannot be.
var errBlocked = errors.New("the address is not public")

// notPublic are networks that IsGlobalUnicast and IsPrivate let through: shared
// and special ones (RFC 6890), and those whose addresses have an IPv4 address
// within, which leads anywhere.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

// public reports whether an address can be anybody's on the Internet.
func public(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return addr.IsGlobalUnicast() && !addr.IsPrivate() && !within(notPublic, addr)
}

// publicOnly is a net.Dialer's Control: it sees the address that is about to be
// used, after DNS, so that no name leads inside, whatever it meant before.
func publicOnly(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !public(at.Addr()) {
		return fmt.Errorf("%s: %w", address, errBlocked)
	}
	return nil
}

// checkURL refuses what events cannot be sent to. A name's address is looked at
// when it is used.
func checkURL(text string, private bool) *problem {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "", u.User != nil, u.Fragment != "":
		return refuse("invalid_webhook_url", "Write an address such as https://crm.example.com/hooks/calls.").at("url")
	case private:
		return nil
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && !public(addr) || u.Hostname() == "localhost" {
		return refuse("invalid_webhook_url", "%s is not a public address. For a CRM on your own network set webhooks.allow_private_networks.", u.Hostname()).at("url")
	}
	return nil
}

// dialer dials for webhooks.
func dialer(private bool) *net.Dialer {
	d := &net.Dialer{Timeout: connectWithin}
	if !private {
		d.Control = publicOnly
	}
	return d
}
