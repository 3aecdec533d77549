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
	errAuthRealm       = fmt.Errorf("%w: it is for another realm", errAuthUnsupported)
	errAuthMissing     = fmt.Errorf("%w: there is no username", errAuthUnsupported)
)

// authRounds is how often one realm may refuse an answer before it counts as a
// refusal: a nonce may have run out without the server saying "stale".
const authRounds = 2

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
	realms []*realm // in the order they first challenged
}

// realm is one protection space and its newest challenge.
type realm struct {
	name, nonce, opaque, algorithm, qop string
	proxy                               bool
	count                               uint32 // nc of the last answer with this nonce
	refused                             int    // challenges in a row that were not for a stale nonce
}

func newAuthenticator(c credentials) *authenticator { return &authenticator{credentials: c} }

// challenge takes note of the challenges of one 401 or 407 response. An error
// says that sending the request again is of no use.
func (a *authenticator) challenge(code int, values []string) error {
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
	i := slices.IndexFunc(a.realms, func(r *realm) bool { return r.name == c.realm && r.proxy == proxy })
	if i < 0 {
		a.realms = append(a.realms, &realm{name: c.realm, proxy: proxy})
		i = len(a.realms) - 1
	}
	r := a.realms[i]
	if r.count > 0 && !c.stale {
		r.refused++
		if r.refused >= authRounds || r.nonce == c.nonce {
			return errAuthRefused
		}
	}
	r.nonce, r.opaque, r.algorithm, r.qop, r.count = c.nonce, c.opaque, c.algorithm, c.qop, 0
	return nil
}

// headers are the credentials for one request, for every realm that has asked.
func (a *authenticator) headers(method, uri string, body []byte) []authHeader {
	var all []authHeader
	for _, r := range a.realms {
		if r.count > 0 {
			r.refused = 0 // the last answer with this nonce was taken
		}
		r.count++
		name := "Authorization"
		if r.proxy {
			name = "Proxy-Authorization"
		}
		all = append(all, authHeader{name, a.answer(r, method, uri, body, cnonce())})
	}
	return all
}

// answer computes the response value (RFC 7616 §3.4.1).
func (a *authenticator) answer(r *realm, method, uri string, body []byte, cnonce string) string {
	h := func(parts ...string) string {
		return digestHex(r.algorithm, []byte(strings.Join(parts, ":")))
	}
	ha1 := h(a.Username, r.name, a.Password)
	if strings.HasSuffix(strings.ToLower(r.algorithm), "-sess") {
		ha1 = h(ha1, r.nonce, cnonce)
	}
	ha2 := h(method, uri)
	if r.qop == "auth-int" {
		ha2 = h(method, uri, digestHex(r.algorithm, body))
	}
	nc := fmt.Sprintf("%08x", r.count)
	response := h(ha1, r.nonce, ha2)
	if r.qop != "" {
		response = h(ha1, r.nonce, nc, cnonce, r.qop, ha2)
	}

	var b strings.Builder
	fmt.Fprintf(&b, `Digest username=%s, realm=%s, nonce=%s, uri=%s, response="%s"`,
		quoted(a.Username), quoted(r.name), quoted(r.nonce), quoted(uri), response)
	if r.algorithm != "" {
		b.WriteString(", algorithm=" + r.algorithm)
	}
	if r.opaque != "" {
		b.WriteString(", opaque=" + quoted(r.opaque))
	}
	if r.qop != "" {
		fmt.Fprintf(&b, `, cnonce="%s", qop=%s, nc=%s`, cnonce, r.qop, nc)
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
