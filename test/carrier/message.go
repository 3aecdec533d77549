package carrier

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// message is a SIP message, kept as the text it came as.
type message struct {
	first   string // request or status line
	headers []string
	body    string
}

func parse(b []byte) (m message, ok bool) {
	head, body, found := strings.Cut(string(b), "\r\n\r\n")
	if !found {
		return m, false
	}
	lines := strings.Split(head, "\r\n")
	return message{lines[0], lines[1:], body}, len(lines) > 4
}

// get is the first header of a name; all is every one.
func (m *message) get(name string) string {
	if all := m.all(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

func (m *message) all(name string) (values []string) {
	for _, line := range m.headers {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(key), name) {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

func (m *message) method() string {
	method, _, _ := strings.Cut(m.first, " ")
	return method
}

// status is the code of a response, 0 for a request.
func (m *message) status() int {
	if !strings.HasPrefix(m.first, "SIP/2.0 ") || len(m.first) < 11 {
		return 0
	}
	code, err := strconv.Atoi(m.first[8:11])
	if err != nil {
		return 0
	}
	return code
}

var (
	userPart   = regexp.MustCompile(`sips?:([^@;>]+)@`)
	branchPart = regexp.MustCompile(`branch=([^;,\s]+)`)
	uriPart    = regexp.MustCompile(`<([^>]+)>`)
	audioLine  = regexp.MustCompile(`m=audio (\d+) `)
	connection = regexp.MustCompile(`c=IN IP[46] (\S+)`)
	authField  = regexp.MustCompile(`(\w+)=(?:"([^"]*)"|([^,\s]+))`)
)

func first(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// respond makes a response to a request (RFC 3261 §8.2.6).
func respond(req *message, status, tag, extra, body string) []byte {
	to := req.get("To")
	if tag != "" && !strings.Contains(to, "tag=") {
		to += ";tag=" + tag
	}
	if body != "" {
		extra += "Content-Type: application/sdp\r\n"
	}
	return fmt.Appendf(nil, "SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n%sContent-Length: %d\r\n\r\n%s",
		status, strings.Join(req.all("Via"), "\r\nVia: "), req.get("From"), to, req.get("Call-ID"), req.get("CSeq"), extra, len(body), body)
}
