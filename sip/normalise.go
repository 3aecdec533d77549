package sip

import (
	"bytes"
	"slices"
)

// shortNames are the header names that peers shorten and the parser does not know
// (RFC 3261 §7.3.3, RFC 4028, RFC 3515, RFC 3892, RFC 6665).
var shortNames = map[byte]string{
	'k': "Supported", 'x': "Session-Expires", 'r': "Refer-To", 'o': "Event",
	'u': "Allow-Events", 's': "Subject", 'b': "Referred-By",
}

// normalise repairs what real peers get wrong and the parser would refuse:
// keep-alive CRLFs before a message, lines that end in a bare LF or are folded, a
// status line without its last space, spaces inside CSeq and around parameters,
// compact names. It never touches
// the body. A well-formed message is returned as it is, without a copy; nil is
// a datagram with no message in it.
func normalise(datagram []byte) []byte {
	msg := bytes.TrimLeft(datagram, "\r\n")
	if len(bytes.Trim(msg, "\x00 \t")) == 0 {
		return nil
	}
	head, body, separator := cutHead(msg)
	if wellFormed(head) && separator == "\r\n\r\n" {
		return msg
	}
	out := make([]byte, 0, len(msg)+64)
	lines := bytes.Split(head, []byte("\n"))
	for i, line := range lines {
		lines[i] = bytes.TrimSuffix(line, []byte("\r"))
	}
	for i, line := range unfold(lines) {
		if i == 0 {
			line = startLine(line)
		} else {
			line = headerLine(line)
		}
		out = append(out, line...)
		out = append(out, '\r', '\n')
	}
	out = append(out, '\r', '\n')
	return append(out, body...)
}

// cutHead divides a message at its first empty line, whatever ends the lines.
func cutHead(msg []byte) (head, body []byte, separator string) {
	for i := 0; i < len(msg); i++ {
		if msg[i] != '\n' {
			continue
		}
		for _, blank := range []string{"\r\n", "\n"} {
			if bytes.HasPrefix(msg[i+1:], []byte(blank)) {
				head, body = bytes.TrimSuffix(msg[:i], []byte("\r")), msg[i+1+len(blank):]
				if blank == "\r\n" && i > 0 && msg[i-1] == '\r' {
					return head, body, "\r\n\r\n"
				}
				return head, body, blank
			}
		}
	}
	return bytes.TrimRight(msg, "\r\n"), nil, ""
}

// wellFormed reports whether no line of head needs a repair.
func wellFormed(head []byte) bool {
	for first := true; len(head) > 0; first = false {
		end := bytes.IndexByte(head, '\n')
		line := head
		if end >= 0 {
			if end == 0 || head[end-1] != '\r' {
				return false
			}
			line, head = head[:end-1], head[end+1:]
		} else {
			head = nil
		}
		if first && needsSpace(line) || !first && (isFolded(line) || isCompact(line) || looseCSeq(line) || untidy(line)) {
			return false
		}
	}
	return true
}

// startLine gives a status line the space that its empty reason phrase still
// asks for (RFC 3261 §7.2).
func startLine(line []byte) []byte {
	if needsSpace(line) {
		return append(slices.Clip(line), ' ')
	}
	return line
}

func needsSpace(line []byte) bool {
	return len(line) == len("SIP/2.0 200") && bytes.EqualFold(line[:8], []byte("SIP/2.0 "))
}

func headerLine(line []byte) []byte {
	if isCompact(line) {
		_, value, _ := bytes.Cut(line, []byte(":"))
		return append([]byte(shortNames[line[0]|0x20]+":"), value...)
	}
	if looseCSeq(line) {
		_, value, _ := bytes.Cut(line, []byte(":"))
		return append([]byte("CSeq: "), bytes.Join(bytes.Fields(value), []byte(" "))...)
	}
	if untidy(line) {
		return tidyLine(line)
	}
	return line
}

func isFolded(line []byte) bool { return len(line) > 0 && (line[0] == ' ' || line[0] == '\t') }

func isCompact(line []byte) bool {
	if len(line) < 2 || shortNames[line[0]|0x20] == "" {
		return false
	}
	rest := bytes.TrimLeft(line[1:], " \t")
	return len(rest) > 0 && rest[0] == ':'
}

// looseCSeq reports a CSeq whose number and method are not divided by exactly
// one space.
func looseCSeq(line []byte) bool {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || !bytes.EqualFold(bytes.TrimSpace(name), []byte("cseq")) {
		return false
	}
	value = bytes.TrimPrefix(value, []byte(" "))
	i := bytes.IndexAny(value, " \t")
	tidy := len(name) == len("cseq") && i > 0 && value[i] == ' ' &&
		i+1 < len(value) && !bytes.ContainsAny(value[i+1:], " \t")
	return !tidy
}
