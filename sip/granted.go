package sip

import (
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// grantedTo reads from a 200 how long contact is registered for: its own expires
// parameter first, then the Expires header, then what was asked. A registrar may
// list the contacts of others too; where it has rewritten ours, the shortest
// time of all is the safe one.
func grantedTo(res *sipmsg.Response, contact string, asked time.Duration) time.Duration {
	granted := asked
	if seconds, ok := number(header(res, "expires")); ok {
		granted = time.Duration(seconds) * time.Second
	}
	shortest, ours := time.Duration(-1), time.Duration(-1)
	for _, value := range list(res, "contact") {
		expires, ok := expiresOf(value)
		if !ok {
			expires = granted
		}
		if shortest < 0 || expires < shortest {
			shortest = expires
		}
		if sameContact(addressURI(value), contact) {
			ours = max(ours, expires)
		}
	}
	switch {
	case ours >= 0:
		granted = ours
	case shortest >= 0:
		granted = shortest
	}
	return min(granted, longestExpires)
}

// expiresOf reads the expires parameter of a Contact value.
func expiresOf(contact string) (time.Duration, bool) {
	_, parameters, _ := strings.Cut(contact, ">")
	for _, p := range splitQuoted(parameters, ';') {
		name, value, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "expires") {
			seconds, ok := number(strings.Trim(strings.TrimSpace(value), `"`))
			return time.Duration(seconds) * time.Second, ok
		}
	}
	return 0, false
}

// sameContact compares what of two URIs says where to (RFC 3261 §19.1.4).
func sameContact(a, b string) bool {
	x, okX := sipURI(a)
	y, okY := sipURI(b)
	port := func(u sipmsg.Uri) int {
		if u.Port == 0 {
			return int(defaultPort(strings.ToLower(u.UriParams.GetOr("transport", "udp"))))
		}
		return u.Port
	}
	return okX && okY && x.User == y.User && strings.EqualFold(strings.Trim(x.Host, "[]"), strings.Trim(y.Host, "[]")) && port(x) == port(y)
}
