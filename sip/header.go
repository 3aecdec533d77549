package sip

import (
	"maps"
	"net/netip"
	"strconv"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"
)

// newParser makes sipgo's parser without the headers whose faults must not cost
// us the message: a 200 with a broken Contact still has to be ACKed and BYEd.
// They stay text, which this file reads.
func newParser() *sipmsg.Parser {
	parsers := maps.Clone(sipmsg.DefaultHeadersParser())
	for _, name := range []string{
		"contact", "m", "content-type", "c", "max-forwards",
		"route", "record-route", "refer-to", "referred-by",
	} {
		delete(parsers, name)
	}
	return sipmsg.NewParser(sipmsg.WithHeadersParsers(parsers))
}

// compact holds the short names of the headers read here (RFC 3261 §7.3.3).
var compact = map[string]string{
	"contact": "m", "content-type": "c", "supported": "k", "event": "o", "from": "f", "to": "t",
}

// headers returns every value of a header, name in lower case, in order of
// appearance; a line that holds several comes in one piece.
func headers(msg sipmsg.Message, name string) []string {
	var values []string
	found := msg.GetHeaders(name)
	if short, ok := compact[name]; ok {
		found = append(found, msg.GetHeaders(short)...)
	}
	for _, h := range found {
		values = append(values, h.Value())
	}
	return values
}

// header returns the first value of a header, "" when there is none.
func header(msg sipmsg.Message, name string) string {
	if values := headers(msg, name); len(values) > 0 {
		return strings.TrimSpace(values[0])
	}
	return ""
}

// list returns the elements of a comma-separated header, over all its lines.
func list(msg sipmsg.Message, name string) []string {
	var all []string
	for _, value := range headers(msg, name) {
		all = append(all, splitList(value)...)
	}
	return all
}

// splitList cuts at the commas that are neither inside quotes nor inside <>.
func splitList(value string) []string {
	var (
		parts           []string
		quoted, bracket bool
		start           int
		addPart         = func(end int) {
			if part := strings.TrimSpace(value[start:end]); part != "" {
				parts = append(parts, part)
			}
		}
	)
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			bracket = true
		case c == '>':
			bracket = false
		case c == ',' && !bracket:
			addPart(i)
			start = i + 1
		}
	}
	addPart(len(value))
	return parts
}

// hasToken reports whether a list header names token, ignoring case.
func hasToken(msg sipmsg.Message, name, token string) bool {
	for _, element := range list(msg, name) {
		if strings.EqualFold(element, token) {
			return true
		}
	}
	return false
}

// addressURI returns the URI of a name-addr or addr-spec (RFC 3261 §25.1), ""
// when there is none.
func addressURI(address string) string {
	quoted := false
	for i := 0; i < len(address); i++ {
		switch c := address[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '<' && !quoted:
			uri, _, closed := strings.Cut(address[i+1:], ">")
			if !closed {
				return ""
			}
			return strings.TrimSpace(uri)
		}
	}
	// Without brackets a semicolon begins the header's parameters (§20.10).
	uri, _, _ := strings.Cut(address, ";")
	return strings.TrimSpace(uri)
}

// parseURI reads a URI that came from outside.
func parseURI(text string) (sipmsg.Uri, bool) {
	var uri sipmsg.Uri
	if !printable(text) || sipmsg.ParseUri(text, &uri) != nil {
		return sipmsg.Uri{}, false
	}
	return uri, true
}

// sipURI is parseURI for what can be a Request-URI of ours: sip or sips, with a host.
func sipURI(text string) (sipmsg.Uri, bool) {
	uri, ok := parseURI(text)
	return uri, ok && !uri.Wildcard && uri.Host != "" && (uri.Scheme == "sip" || uri.Scheme == "sips")
}

// printable reports whether text is a single word of visible ASCII.
func printable(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] <= ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return text != ""
}

// looseRouter reports whether a Route value names a loose router (RFC 3261 §16.12).
func looseRouter(route string) bool {
	uri, ok := parseURI(addressURI(route))
	if !ok {
		return true // it cannot be a Request-URI, so it can only be passed on
	}
	for _, key := range uri.UriParams.Keys() {
		if strings.EqualFold(key, "lr") {
			return true
		}
	}
	return false
}

// literal returns where a URI points if its host is an address and its port,
// given or default, is one.
func literal(text string) (netip.AddrPort, bool) {
	uri, ok := sipURI(text)
	if !ok {
		return netip.AddrPort{}, false
	}
	addr, err := netip.ParseAddr(strings.Trim(uri.Host, "[]"))
	if err != nil || addr.IsUnspecified() || addr.IsMulticast() {
		return netip.AddrPort{}, false
	}
	port := uri.Port
	if port == 0 {
		port = int(defaultPort(strings.ToLower(uri.UriParams.GetOr("transport", "udp"))))
	}
	if port < 1 || port > 65535 {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), true
}

// sourceOf is where a message came from.
func sourceOf(msg sipmsg.Message) netip.AddrPort {
	source, err := unalias(msg.Source())
	if err != nil {
		return netip.AddrPort{}
	}
	return source
}

func callID(msg sipmsg.Message) string {
	if h := msg.CallID(); h != nil {
		return h.Value()
	}
	return ""
}

func fromTag(msg sipmsg.Message) string {
	if h := msg.From(); h != nil {
		return h.Params.GetOr("tag", "")
	}
	return ""
}

func toTag(msg sipmsg.Message) string {
	if h := msg.To(); h != nil {
		return h.Params.GetOr("tag", "")
	}
	return ""
}

func branchOf(msg sipmsg.Message) string {
	if h := msg.Via(); h != nil {
		return h.Params.GetOr("branch", "")
	}
	return ""
}

// methodOf is the method of a message's CSeq, "" when it has none.
func methodOf(msg sipmsg.Message) sipmsg.RequestMethod {
	if h := msg.CSeq(); h != nil {
		return h.MethodName
	}
	return ""
}

// seqOf is the number of a message's CSeq.
func seqOf(msg sipmsg.Message) uint32 {
	if h := msg.CSeq(); h != nil {
		return h.SeqNo
	}
	return 0
}

// sdpOf returns the session description of a message, nil when there is none.
// Some trunks leave the Content-Type away: then the body speaks for itself.
func sdpOf(msg sipmsg.Message) []byte {
	body := msg.Body()
	if len(body) == 0 {
		return nil
	}
	kind, _, _ := strings.Cut(header(msg, "content-type"), ";")
	kind = strings.TrimSpace(kind)
	if strings.EqualFold(kind, "application/sdp") || kind == "" && strings.HasPrefix(string(body), "v=0") {
		return body
	}
	return nil
}

// number reads a header that holds one number.
func number(text string) (uint32, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	return uint32(n), err == nil
}

// reasonOf returns what a message's Reason headers say (RFC 3326).
func reasonOf(msg sipmsg.Message) Reason {
	return ParseReason(headers(msg, "reason"))
}
