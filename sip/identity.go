package sip

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"
)

// identities maps the Identity names of a trunk to the header and to what follows
// the address in it, without and with privacy (RFC 3325, RFC 5806 §6,
// draft-ietf-sip-privacy-04 §5.1).
var identities = map[string]struct{ header, open, hidden string }{
	"p-asserted-identity":  {"P-Asserted-Identity", "", ""},
	"p-preferred-identity": {"P-Preferred-Identity", "", ""},
	"remote-party-id":      {"Remote-Party-ID", ";party=calling;privacy=off;screen=yes", ";party=calling;privacy=full;screen=yes"},
	"diversion":            {"Diversion", ";reason=unconditional", ";reason=unconditional;privacy=full"},
}

// anonymous is who calls where the number is hidden (RFC 3323 §4.1.1.3).
const anonymous = `"Anonymous" <sip:anonymous@anonymous.invalid>`

// reserved are the headers that an extra one may not double.
var reserved = []string{
	"via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "contact", "m", "max-forwards",
	"route", "record-route", "content-length", "l", "content-type", "c", "allow", "supported", "k",
	"require", "proxy-require", "authorization", "proxy-authorization", "rack", "rseq",
}

// extraHeader reports whether name can be a header of the operator's own.
func extraHeader(name string) bool {
	if name == "" || slices.Contains(reserved, strings.ToLower(name)) {
		return false
	}
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("-._", rune(c)) {
			return false
		}
	}
	return true
}

// dialled writes an E.164 number the way the trunk wants to be asked for it.
func (t *TrunkConfig) dialled(number string) string {
	return t.Prefix + strings.TrimPrefix(t.formatNumber(number, t.Format), t.Strip)
}

// formatNumber writes an E.164 number in a format of TrunkConfig. What has no +
// is an extension or service number and stays as it is. A number abroad is never
// written as if it were at home: it keeps its + and country code.
func (t *TrunkConfig) formatNumber(number, format string) string {
	digits, international := strings.CutPrefix(number, "+")
	if !international {
		return number
	}
	switch format {
	case "e164":
		return digits
	case "national":
		if !strings.HasPrefix(digits, t.Country) {
			return number
		}
		return digits[max(len(t.Country), countryCodeLength(digits)):]
	default:
		return number
	}
}

// countryCodeLength is how many digits of an international number are its
// country code (ITU-T E.164, list of assigned codes).
func countryCodeLength(digits string) int {
	if len(digits) < 3 {
		return 0
	}
	const twoDigits = "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 " +
		"60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98"
	switch {
	case digits[0] == '1' || digits[0] == '7':
		return 1
	case strings.Contains(twoDigits, digits[:2]):
		return 2
	default:
		return 3
	}
}

// hidden reports whether those who are called must not see who calls.
func (t *TrunkConfig) hidden() bool { return t.Privacy == "id" }

// escapeUser makes the user part of a SIP URI (RFC 3261 §25.1, user): "#", which
// technical prefixes have, may not stand there as it is.
func escapeUser(user string) string {
	var b strings.Builder
	for _, c := range []byte(user) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.!~*'()&=+$,;?/", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// domain is the host part of From, To and identities.
func (t *TrunkConfig) domain() string {
	if t.FromDomain != "" {
		return uriHost(t.FromDomain)
	}
	return uriHost(t.Host)
}

// uriHost brackets an IPv6 address, as a URI wants it.
func uriHost(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
		return "[" + host + "]"
	}
	return host
}

// identify starts a leg's state: who calls, and whom.
func (t *TrunkConfig) identify(inv Invite, transport string) (Snapshot, error) {
	uri, err := t.address(inv.To, transport)
	if err != nil {
		return Snapshot{}, fmt.Errorf("number: %w", err)
	}
	from, err := t.caller(inv)
	if err != nil {
		return Snapshot{}, err
	}
	tag := token()
	s := Snapshot{
		State:    Calling,
		Trunk:    t.Name,
		Call:     inv.Call,
		Side:     inv.Side,
		CallID:   token(),
		LocalTag: tag,
		From:     from + ";tag=" + tag,
		To:       "<" + uri + ">",
		URI:      uri + t.uriTail(transport),
	}
	if strings.HasPrefix(inv.To, "sip:") {
		s.URI = uri // as it is known there
	}
	if _, ok := sipURI(s.URI); !ok {
		return Snapshot{}, errors.New("number: makes no address with this prefix and host")
	}
	return s, nil
}

// address is the URI of who is called: a number at the trunk, or a SIP URI as it is.
func (t *TrunkConfig) address(to, transport string) (string, error) {
	if strings.HasPrefix(to, "sip:") {
		return to, nil
	}
	number, err := cleanNumber(to)
	return "sip:" + escapeUser(t.dialled(number)) + "@" + uriHost(t.Host), err
}

// caller is the From header value without its tag.
func (t *TrunkConfig) caller(inv Invite) (string, error) {
	from, err := cleanNumber(inv.From)
	if err != nil {
		return "", fmt.Errorf("caller id: %w", err)
	}
	user := t.formatNumber(from, t.IdentityFormat)
	switch {
	case t.FromUser != "": // an account, which the trunk must see whoever calls
		user = t.FromUser
	case t.hidden():
		return anonymous, nil
	}
	address := "<sip:" + escapeUser(user) + "@" + t.domain() + ">"
	if _, ok := sipURI(addressURI(address)); !ok {
		return "", errors.New("caller id: makes no address with this user and domain")
	}
	if inv.FromName == "" || t.hidden() {
		return address, nil
	}
	name, err := quoteName(inv.FromName)
	if err != nil {
		return "", fmt.Errorf("caller name: %w", err)
	}
	return name + " " + address, nil
}

// callerHeaders are the identity and extra headers of an INVITE, in a fixed order.
func (t *TrunkConfig) callerHeaders(inv Invite) []sipmsg.Header {
	var all []sipmsg.Header
	number, err := cleanNumber(inv.From)
	if err != nil {
		return nil // identify has refused it
	}
	for _, name := range t.Identity {
		identity := identities[name]
		params := identity.open
		if t.hidden() {
			params = identity.hidden
		}
		value := "<sip:" + escapeUser(t.formatNumber(number, t.IdentityFormat)) + "@" + t.domain() + ">" + params
		all = append(all, sipmsg.NewHeader(identity.header, value))
	}
	if t.hidden() {
		all = append(all, sipmsg.NewHeader("Privacy", "id")) // RFC 3325 §9.3
	}
	for _, name := range slices.Sorted(maps.Keys(t.ExtraHeaders)) {
		all = append(all, sipmsg.NewHeader(name, t.ExtraHeaders[name]))
	}
	return all
}
