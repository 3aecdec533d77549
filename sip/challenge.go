package sip

import "strings"

// qopUnknown marks a challenge that offers only qualities of protection nobody
// has heard of.
const qopUnknown = "?"

// digestChallenge is one WWW-Authenticate or Proxy-Authenticate challenge.
type digestChallenge struct {
	realm, nonce, opaque, algorithm string
	qop                             string // chosen: auth, auth-int, "" for RFC 2069 servers, or qopUnknown
	stale                           bool
}

// splitChallenges reads the Digest challenges of one header value. Several may
// stand in one, divided by the commas that also divide their parameters: a word
// followed by a space, and not by "=", starts the next one. Other schemes are
// left out.
func splitChallenges(value string) []digestChallenge {
	var all []digestChallenge
	digest := false
	for s := (scanner{rest: value}); ; {
		s.skip(" \t\r\n,")
		if s.rest == "" {
			return all
		}
		word := s.token()
		if word == "" {
			return all // not a header of this kind from here on
		}
		s.skip(" \t")
		if !strings.HasPrefix(s.rest, "=") {
			digest = strings.EqualFold(word, "Digest")
			if digest {
				all = append(all, digestChallenge{})
			}
			continue
		}
		s.rest = s.rest[1:]
		s.skip(" \t")
		parameter := s.value()
		if digest {
			all[len(all)-1].set(strings.ToLower(word), parameter)
		}
	}
}

func (c *digestChallenge) set(name, value string) {
	switch name {
	case "realm":
		c.realm = value
	case "nonce":
		c.nonce = value
	case "opaque":
		c.opaque = value
	case "algorithm":
		c.algorithm = value
	case "stale":
		c.stale = strings.EqualFold(value, "true")
	case "qop":
		c.qop = chooseQop(value)
	}
}

// chooseQop prefers auth: a middle box that rewrites SDP would break auth-int.
func chooseQop(list string) string {
	chosen := qopUnknown
	for option := range strings.SplitSeq(list, ",") {
		switch strings.ToLower(strings.TrimSpace(option)) {
		case "auth":
			return "auth"
		case "auth-int":
			chosen = "auth-int"
		}
	}
	return chosen
}

// scanner walks a header value.
type scanner struct{ rest string }

func (s *scanner) skip(set string) { s.rest = strings.TrimLeft(s.rest, set) }

// token takes characters up to a separator.
func (s *scanner) token() string {
	end := strings.IndexAny(s.rest, " \t\r\n,=\"")
	if end < 0 {
		end = len(s.rest)
	}
	word := s.rest[:end]
	s.rest = s.rest[end:]
	return word
}

// value takes a token or a quoted-string, without its quotes and escapes.
func (s *scanner) value() string {
	if !strings.HasPrefix(s.rest, `"`) {
		return s.token()
	}
	var b strings.Builder
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '\\' && i+1 < len(s.rest):
			i++
			b.WriteByte(s.rest[i])
		case c == '"':
			s.rest = s.rest[i+1:]
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	s.rest = "" // never closed: take it as it is
	return b.String()
}
