package sip

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// Why a challenge is not answered.
var (
	errAuthRefused     = errors.New("the trunk refuses these credentials: check username, password and realm")
	errAuthUnsupported = errors.New("no challenge that can be answered: need Digest with MD5 or SHA-256, and a username")
	errAuthRealm       = &unanswerable{"the trunk asks for credentials of another realm than auth.realm"}
	errAuthEndless     = fmt.Errorf("%w: it answers each of them with another challenge", errAuthRefused)
	errAuthMissing     = &unanswerable{"the trunk asks for a password, and the configuration has no username"}
)

// unanswerable is an errAuthUnsupported that has words of its own.
type unanswerable struct{ text string }

func (e *unanswerable) Error() string { return e.text }
func (e *unanswerable) Unwrap() error { return errAuthUnsupported }

// authRounds is how often one realm may refuse an answer before it counts as a
// refusal: a nonce may have run out without the server saying "stale".
const authRounds = 2

// challengeRounds is how many challenges in a row are answered, whatever they say: a
// proxy's and a server's, and each once more for a stale nonce, with room to spare.
const challengeRounds = 6

// realmsLimit bounds the realms of one server.
const realmsLimit = 4

// authReason is the metric label of an error of challenge.
func authReason(err error) string {
	if errors.Is(err, errAuthRefused) {
		return authRefused
	}
	return authUnsupported
}

type credentials struct{ Username, Password, Realm string }

type authHeader struct{ Name, Value string }

// authenticator answers the Digest challenges one leg meets (RFC 3261 §22, RFC
// 7616, RFC 8760): several realms, 401 and 407 at once, nonces used again with
// a rising count. It works on header values and knows no message.
type authenticator struct {
	credentials
	nonces *nonces
	realms []*realm // in the order they first challenged
	rounds int      // challenges in a row
	asked  bool     // one came after the last answer
}

// realm is one protection space and its newest challenge.
type realm struct {
	space
	nonce    *nonce
	borrowed bool // it was given to another call
	used     bool // it was answered with
	refused  int  // challenges in a row that were not for a stale nonce
}

// newAuthenticator begins with what earlier calls were given.
func newAuthenticator(c credentials, given *nonces) *authenticator {
	a := &authenticator{credentials: c, nonces: given}
	if c.Username != "" {
		for _, n := range given.borrow() {
			a.realms = append(a.realms, &realm{space: n.space, nonce: n, borrowed: true})
		}
	}
	return a
}

// challenge takes note of the challenges of one 401 or 407 response. An error
// says that sending the request again is of no use.
func (a *authenticator) challenge(code int, values []string) error {
	if a.rounds++; a.rounds > challengeRounds {
		return errAuthEndless
	}
	a.asked = true
	proxy := code == 407
	best := make(map[string]digestChallenge)
	var order []string
	for _, value := range values {
		for _, c := range splitChallenges(value) {
			if !a.answers(c) {
				continue
			}
			old, seen := best[c.realm]
			if !seen {
				order = append(order, c.realm)
			}
			if !seen || strength(c.algorithm) > strength(old.algorithm) {
				best[c.realm] = c
			}
		}
	}
	if len(order) == 0 {
		return a.whyNot(values)
	}
	for _, name := range order {
		if err := a.remember(best[name], proxy); err != nil {
			return err
		}
	}
	return nil
}

// whyNot says why no challenge of a response can be answered.
func (a *authenticator) whyNot(values []string) error {
	if a.Username == "" {
		return errAuthMissing
	}
	any := authenticator{credentials: credentials{Username: a.Username}}
	for _, value := range values {
		for _, c := range splitChallenges(value) {
			if any.answers(c) {
				return fmt.Errorf("%w, %q", errAuthRealm, legible(c.realm))
			}
		}
	}
	return errAuthUnsupported
}

// answers reports whether c is a challenge we can and may answer.
func (a *authenticator) answers(c digestChallenge) bool {
	return a.Username != "" && c.nonce != "" && strength(c.algorithm) > 0 && c.qop != qopUnknown &&
		(a.Realm == "" || a.Realm == c.realm)
}

func (a *authenticator) remember(c digestChallenge, proxy bool) error {
	at := space{c.realm, proxy}
	i := slices.IndexFunc(a.realms, func(r *realm) bool { return r.space == at })
	if i < 0 {
		if len(a.realms) == realmsLimit {
			return errAuthEndless
		}
		a.realms = append(a.realms, &realm{space: at})
		i = len(a.realms) - 1
	}
	r := a.realms[i]
	switch {
	case !r.used, c.stale:
	case r.borrowed: // it has run out unsaid
		a.nonces.missed(at)
	default:
		if r.refused++; r.refused >= authRounds || r.nonce.value == c.nonce {
			a.nonces.refused(at)
			return errAuthRefused
		}
	}
	r.nonce, r.borrowed, r.used = a.nonces.give(at, c), false, false
	return nil
}

// headers are the credentials for one request, for every realm that has asked.
func (a *authenticator) headers(method, uri string, body []byte) []authHeader {
	if !a.asked {
		a.rounds = 0
	}
	a.asked = false
	var all []authHeader
	for _, r := range a.realms {
		if r.used { // the last answer with this nonce was taken
			r.refused = 0
			if r.borrowed {
				a.nonces.held(r.space)
			}
		}
		r.used = true
		name := "Authorization"
		if r.proxy {
			name = "Proxy-Authorization"
		}
		all = append(all, authHeader{name, a.answer(r.nonce, a.nonces.next(r.nonce), method, uri, body, cnonce())})
	}
	return all
}

// answer computes the response value (RFC 7616 §3.4.1).
func (a *authenticator) answer(n *nonce, count uint32, method, uri string, body []byte, cnonce string) string {
	h := func(parts ...string) string {
		return digestHex(n.algorithm, []byte(strings.Join(parts, ":")))
	}
	ha1 := h(a.Username, n.realm, a.Password)
	if strings.HasSuffix(strings.ToLower(n.algorithm), "-sess") {
		ha1 = h(ha1, n.value, cnonce)
	}
	ha2 := h(method, uri)
	if n.qop == "auth-int" {
		ha2 = h(method, uri, digestHex(n.algorithm, body))
	}
	nc := fmt.Sprintf("%08x", count)
	response := h(ha1, n.value, ha2)
	if n.qop != "" {
		response = h(ha1, n.value, nc, cnonce, n.qop, ha2)
	}

	var b strings.Builder
	fmt.Fprintf(&b, `Digest username=%s, realm=%s, nonce=%s, uri=%s, response="%s"`,
		quoted(a.Username), quoted(n.realm), quoted(n.value), quoted(uri), response)
	if n.algorithm != "" {
		b.WriteString(", algorithm=" + n.algorithm)
	}
	if n.opaque != "" {
		b.WriteString(", opaque=" + quoted(n.opaque))
	}
	if n.qop != "" {
		fmt.Fprintf(&b, `, cnonce="%s", qop=%s, nc=%s`, cnonce, n.qop, nc)
	}
	return b.String()
}

// strength orders algorithms; 0 is one we do not know.
func strength(algorithm string) int {
	switch strings.ToUpper(algorithm) {
	case "", "MD5", "MD5-SESS":
		return 1
	case "SHA-256", "SHA-256-SESS":
		return 2
	default:
		return 0
	}
}

func digestHex(algorithm string, data []byte) string {
	var h hash.Hash = md5.New()
	if strength(algorithm) == 2 {
		h = sha256.New()
	}
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil))
}

func cnonce() string {
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// escapes are those of a quoted-string (RFC 3261 §25.1).
var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func quoted(s string) string { return `"` + escapes.Replace(s) + `"` }
