package sip

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"net"
	"regexp"
	"strings"
)

// requestLine is that of a request, however odd its URI.
var requestLine = regexp.MustCompile(`^([!-~]+) +([!-~].*?) +SIP/2\.0 *$`)

// scheme is the front of a URI (RFC 3986 §3.1).
var scheme = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*):`)

// refuse answers a request that cannot be parsed, without any state (RFC 3261
// §8.2.7): a trunk that is told why asks only once. What is not even a request,
// or lacks what its sender would know it by, is not answered.
func (s *socket) refuse(datagram []byte, from net.Addr) {
	if res := refusalOf(datagram); res != "" {
		s.datagram([]byte(res), from, true, false)
		_, _ = s.PacketConn.WriteTo([]byte(res), from) // it will ask again
	}
}

// refuse does the same on a connection, which it came by.
func (s *stream) refuse(message []byte) {
	if res := refusalOf(message); res != "" {
		s.trace([]byte(res), true)
		_ = s.signal([]byte(res)) // a broken connection is noticed by Read
	}
}

// refusalOf makes the response, "" for none.
func refusalOf(datagram []byte) string {
	head, _, _ := bytes.Cut(datagram, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	request := requestLine.FindStringSubmatch(lines[0])
	if request == nil || request[1] == "ACK" {
		return ""
	}
	status := "400 Bad Request"
	if m := scheme.FindStringSubmatch(request[2]); m != nil && !strings.EqualFold(m[1], "sip") && !strings.EqualFold(m[1], "sips") {
		status = "416 Unsupported URI Scheme"
	}
	var copied strings.Builder
	seen := make(map[string]int)
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		if long := map[string]string{"v": "via", "f": "from", "t": "to", "i": "call-id"}[name]; long != "" {
			name = long
		}
		proper := map[string]string{"via": "Via", "from": "From", "to": "To", "call-id": "Call-ID", "cseq": "CSeq"}[name]
		if proper == "" || name != "via" && seen[name] > 0 { // of what is there twice, its sender finds the first again
			continue
		}
		if !headerSafe(value) {
			return ""
		}
		seen[name]++
		if value = strings.TrimSpace(value); name == "to" && !strings.Contains(value, ";tag=") {
			sum := fnv.New64a()
			_, _ = sum.Write(head)
			value += fmt.Sprintf(";tag=%x", sum.Sum64()) // the same for the same request
		}
		fmt.Fprintf(&copied, "%s: %s\r\n", proper, value)
	}
	for _, name := range []string{"via", "from", "to", "call-id", "cseq"} {
		if seen[name] == 0 {
			return ""
		}
	}
	return "SIP/2.0 " + status + "\r\n" + copied.String() + "Content-Length: 0\r\n\r\n"
}
