package sip

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// headerSafe reports whether s can stand in a header: it cannot end the line.
func headerSafe(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }) < 0
}

// quoteName makes a display name a quoted-string (RFC 3261 §25.1).
func quoteName(name string) (string, error) {
	if !headerSafe(name) {
		return "", errors.New("it holds control characters or is not UTF-8")
	}
	return quoted(name), nil
}

// cleanNumber passes what can be dialled: digits, * and #, perhaps a + in front.
// It refuses the rest rather than to guess.
func cleanNumber(number string) (string, error) {
	digits := strings.TrimPrefix(number, "+")
	if digits == "" || len(digits) > 32 {
		return "", errors.New("it is empty or too long")
	}
	for _, c := range []byte(digits) {
		if (c < '0' || c > '9') && c != '*' && c != '#' {
			return "", errors.New("it holds something beside digits, * and #")
		}
	}
	return number, nil
}

// userPart reports whether s can be the user of a URI as it is (RFC 3261 §25.1).
func userPart(s string) bool {
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("-_.!~*'()&=+$,", rune(c)) {
			return false
		}
	}
	return true
}

// legible drops what would hurt a log or a header.
func legible(s string) string {
	const longest = 200
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
	for len(s) > longest {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}
