package media

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// SRTP says whether a leg's sound is enciphered (RFC 3711), with keys that its
// session descriptions carry (RFC 4568).
type SRTP uint8

// What a leg may ask for.
const (
	SRTPNone     SRTP = iota
	SRTPOptional      // where the far end agrees
	SRTPRequired      // else there is no call
)

// Why there is no agreement on SRTP.
var (
	ErrPlain     = errors.New("the far end does not agree on SRTP, which is required: set srtp of the trunk to optional or none, or have it switched on there")
	ErrNotPlain  = errors.New("the far end insists on SRTP: set srtp of the trunk to optional or required")
	ErrBadCrypto = errors.New("the far end's SRTP key cannot be used")
)

// suite is a way to encipher: a key and a salt of these lengths.
type suite struct {
	name      string
	key, salt int // octets
}

// suites are those of RFC 4568 §6.2, RFC 7714 §14.2 and RFC 6188 §4, in the
// order of preference for offers of others.
var suites = []suite{
	{"AEAD_AES_256_GCM", 32, 12},
	{"AEAD_AES_128_GCM", 16, 12},
	{"AES_256_CM_HMAC_SHA1_80", 32, 14},
	{"AES_CM_128_HMAC_SHA1_80", 16, 14},
	{"AES_256_CM_HMAC_SHA1_32", 32, 14},
	{"AES_CM_128_HMAC_SHA1_32", 16, 14},
}

// offered are the suites that everybody has.
var offered = []string{"AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"}

func suiteOf(name string) (suite, bool) {
	i := slices.IndexFunc(suites, func(s suite) bool { return strings.EqualFold(s.name, name) })
	if i < 0 {
		return suite{}, false
	}
	return suites[i], true
}

// crypto is one a=crypto line. Its zero value is none.
type crypto struct {
	tag   int
	suite suite
	key   string // key and salt, as octets; a string so that it can be compared
	mki   string // which its packets carry before their tag; "" = none
}

// newCrypto makes a key of ours.
func newCrypto(tag int, s suite) crypto {
	key := make([]byte, s.key+s.salt)
	_, _ = rand.Read(key) // it cannot fail
	return crypto{tag: tag, suite: s, key: string(key)}
}

// String is the line's value (RFC 4568 §9.1).
func (c crypto) String() string {
	text := fmt.Sprintf("%d %s inline:%s", c.tag, c.suite.name, base64.StdEncoding.EncodeToString([]byte(c.key)))
	if c.mki != "" {
		text += fmt.Sprintf("|%d:%d", new(big.Int).SetBytes([]byte(c.mki)), len(c.mki))
	}
	return text
}

// parseCrypto reads a line's value (RFC 4568 §9.1). usable is false, without an
// error, for one that is well and not for us: of a suite, or with a parameter, that
// we have not; such a line is not to be used (§6.3).
func parseCrypto(value string) (c crypto, usable bool, err error) {
	fields := strings.Fields(value)
	if len(fields) < 3 {
		return c, false, fmt.Errorf("%w: a=crypto needs a tag, a suite and a key", ErrBadCrypto)
	}
	if c.tag, err = strconv.Atoi(fields[0]); err != nil || c.tag < 0 || len(fields[0]) > 9 {
		return c, false, fmt.Errorf("%w: tag %.12q", ErrBadCrypto, fields[0])
	}
	var known bool
	if c.suite, known = suiteOf(fields[1]); !known || slices.ContainsFunc(fields[3:], unknownParameter) || strings.Contains(fields[2], ";") {
		return c, false, nil
	}
	inline, is := strings.CutPrefix(fields[2], "inline:")
	if !is {
		return c, false, fmt.Errorf("%w: %s has no inline key", ErrBadCrypto, c.suite.name)
	}
	text, rest, _ := strings.Cut(inline, "|")
	if c.mki, err = parseKeyInfo(rest); err != nil {
		return c, false, fmt.Errorf("%w: %s: %w", ErrBadCrypto, c.suite.name, err)
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		if key, err = base64.RawStdEncoding.DecodeString(text); err != nil {
			return c, false, fmt.Errorf("%w: key of %s is not base64", ErrBadCrypto, c.suite.name)
		}
	}
	if len(key) != c.suite.key+c.suite.salt {
		return c, false, fmt.Errorf("%w: key of %s has %d octets, not %d", ErrBadCrypto, c.suite.name, len(key), c.suite.key+c.suite.salt)
	}
	c.key = string(key)
	return c, true, nil
}

// unknownParameter reports whether a session parameter keeps a line from being
// used. WSH is a hint (§6.3.6), and what begins with "-" may be left aside (§6.3.7);
// the others change what a packet looks like: KDR, UNENCRYPTED_SRTP and so on.
func unknownParameter(text string) bool {
	return !strings.HasPrefix(text, "-") && !strings.HasPrefix(text, "WSH=")
}

// maxLifetime is how many packets a key may serve (RFC 3711 §9.2).
const maxLifetime = 1 << 48

// parseKeyInfo reads what follows a key: its lifetime in packets, which whoever
// sends by it keeps to by a re-INVITE, and the identifier that those packets carry
// (RFC 4568 §6.1).
func parseKeyInfo(text string) (mki string, err error) {
	if text == "" {
		return "", nil
	}
	for i, part := range strings.Split(text, "|") {
		value, size, identifies := strings.Cut(part, ":")
		switch {
		case i > 1, identifies && mki != "", !identifies && i > 0:
			return "", errors.New("more than a lifetime and an identifier")
		case identifies:
			if mki, err = parseMKI(value, size); err != nil {
				return "", err
			}
		case !lifetime(value):
			return "", fmt.Errorf("lifetime %.20q", value)
		}
	}
	return mki, nil
}

// parseMKI reads a key's identifier: a decimal number, and in how many octets.
func parseMKI(value, size string) (string, error) {
	octets, err := strconv.ParseUint(size, 10, 8)
	number, ok := new(big.Int).SetString(value, 10)
	if err != nil || octets < 1 || octets > 128 || len(value) > 310 || !ok || number.Sign() < 0 || number.BitLen() > int(octets)*8 {
		return "", fmt.Errorf("identifier %.20q of %.5q octets", value, size)
	}
	return string(number.FillBytes(make([]byte, octets))), nil
}

// lifetime reports whether a text is a number of packets, as it is or as 2^n.
func lifetime(text string) bool {
	if exponent, is := strings.CutPrefix(text, "2^"); is {
		n, err := strconv.ParseUint(exponent, 10, 8)
		return err == nil && n <= 48
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return err == nil && n > 0 && n <= maxLifetime
}

// errForeign: no line is wrong, and none is for us.
var errForeign = fmt.Errorf("%w: each a=crypto line is of a suite or has a parameter that we have not", ErrBadCrypto)

// cryptos reads the lines of a media description that can be used. Only if none
// can, that is an error.
func cryptos(attributes []sdp.Attribute) (all []crypto, err error) {
	for _, a := range attributes {
		if a.Key != "crypto" {
			continue
		}
		c, usable, problem := parseCrypto(a.Value)
		switch {
		case problem != nil:
			err = problem
		case usable:
			all = append(all, c)
		case err == nil:
			err = errForeign
		}
	}
	if len(all) > 0 {
		return all, nil
	}
	return nil, err
}

// keys are a leg's: ours of each suite we offered or use, and what is in use.
type keys struct {
	mode   SRTP
	ours   []crypto
	send   crypto // zero = in plain
	theirs crypto
}

// our is our key of a suite; the same one for as long as the leg lives, for the
// packets of a key must not be numbered anew.
func (k *keys) our(s suite) crypto {
	for _, c := range k.ours {
		if c.suite == s {
			return c
		}
	}
	tag := 1
	for _, c := range k.ours {
		tag = max(tag, c.tag+1)
	}
	c := newCrypto(tag, s)
	k.ours = append(k.ours, c)
	return c
}

// offer is what we offer.
func (k *keys) offer() (lines []crypto) {
	if k.mode == SRTPNone {
		return nil
	}
	for _, name := range offered {
		s, _ := suiteOf(name)
		lines = append(lines, k.our(s))
	}
	return lines
}

// answered takes the far end's answer: one line of ours, by its tag. One that we
// cannot use is no consent to go without.
func (k *keys) answered(r *remote) ([]crypto, error) {
	if k.mode != SRTPNone && r.badCrypto != nil {
		return nil, r.badCrypto
	}
	if err := k.check(r); err != nil || len(r.cryptos) == 0 || k.mode == SRTPNone {
		k.plain()
		return nil, err
	}
	c := r.cryptos[0]
	for _, own := range k.offer() {
		if own.tag == c.tag && own.suite == c.suite {
			k.send, k.theirs = own, c
			return nil, nil
		}
	}
	return nil, fmt.Errorf("%w: it answers with %d %s, which was not offered", ErrBadCrypto, c.tag, c.suite.name)
}

// asked takes the far end's offer, and returns the line of our answer; none
// where it is in plain.
func (k *keys) asked(r *remote) ([]crypto, error) {
	if err := k.check(r); err != nil || len(r.cryptos) == 0 || k.mode == SRTPNone {
		k.plain()
		return nil, err
	}
	c := r.cryptos[0] // in its order of preference
	if k.theirs.key != "" && k.theirs.key != c.key {
		// Perhaps another phone, which does not know how often our numbers have
		// wrapped: with a key that is new that does not matter.
		k.ours = slices.DeleteFunc(k.ours, func(own crypto) bool { return own.suite == c.suite })
	}
	k.theirs, k.send = c, k.our(c.suite)
	answer := k.send
	answer.tag = k.theirs.tag // RFC 4568 §5.1.2
	return []crypto{answer}, nil
}

func (k *keys) plain() { k.send, k.theirs = crypto{}, crypto{} }

// check says whether what the far end wants, and what we want, go together.
func (k *keys) check(r *remote) error {
	switch {
	case k.mode == SRTPNone && r.secure:
		return ErrNotPlain
	case k.mode == SRTPNone:
		return nil
	case r.badCrypto != nil && (r.secure || k.mode == SRTPRequired):
		return r.badCrypto
	case k.mode == SRTPRequired && len(r.cryptos) == 0:
		return ErrPlain
	}
	return nil
}
