package sip

import (
	"bytes"
	"slices"
)

// What is allowed around the parameters of From, To and Via, and the parser
// takes to be part of them: folded lines, spaces around ";" and "=", names in
// capitals (RFC 3261 §7.3.1).

// tidied are the headers that must be read whatever they look like: a message
// without a tag or a branch finds no dialog and no transaction.
var tidied = [][]byte{[]byte("from"), []byte("f"), []byte("to"), []byte("t"), []byte("via"), []byte("v")}

// lowered are the parameters whose names the parser knows in small letters only.
var lowered = [][]byte{[]byte("tag"), []byte("branch"), []byte("rport"), []byte("received")}

// untidy reports whether a header needs tidyLine.
func untidy(line []byte) bool {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || !isTidied(name) {
		return false
	}
	for _, sign := range []string{" ;", "; ", " =", "= ", "/ ", " /", "\t"} {
		if bytes.Contains(value, []byte(sign)) {
			return true
		}
	}
	for _, name := range lowered {
		for at := bytes.IndexByte(value, ';'); at >= 0; {
			param := value[at+1:]
			if len(param) >= len(name) && bytes.EqualFold(param[:len(name)], name) && !bytes.HasPrefix(param, name) {
				return true
			}
			next := bytes.IndexByte(param, ';')
			if next < 0 {
				break
			}
			at += 1 + next
		}
	}
	return false
}

func isTidied(name []byte) bool {
	name = bytes.TrimSpace(name)
	return slices.ContainsFunc(tidied, func(known []byte) bool { return bytes.EqualFold(known, name) })
}

// tidyLine writes such a header as the parser wants it.
func tidyLine(line []byte) []byte {
	name, value, _ := bytes.Cut(line, []byte(":"))
	out := append(slices.Clone(bytes.TrimSpace(name)), ": "...)
	slash := bytes.EqualFold(bytes.TrimSpace(name), []byte("via")) || bytes.EqualFold(bytes.TrimSpace(name), []byte("v"))
	quoted, bracket := false, false
	value = bytes.TrimSpace(value)
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case quoted && c == '\\' && i+1 < len(value):
			out = append(out, c, value[i+1])
			i++
			continue
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<', c == '>':
			bracket = c == '<'
		case bracket:
		case c == ';' || c == '=' || c == ',' || slash && c == '/':
			out = append(bytes.TrimRight(out, " \t"), c)
			for i+1 < len(value) && (value[i+1] == ' ' || value[i+1] == '\t') {
				i++
			}
			if c == ';' {
				i += lowerName(&out, value[i+1:])
			}
			continue
		}
		out = append(out, c)
	}
	return out
}

// lowerName writes the name of a known parameter in small letters, and returns
// how much of rest that was.
func lowerName(out *[]byte, rest []byte) int {
	end := bytes.IndexAny(rest, " \t=;,")
	if end < 0 {
		end = len(rest)
	}
	for _, name := range lowered {
		if bytes.EqualFold(rest[:end], name) {
			*out = append(*out, name...)
			return end
		}
	}
	return 0
}

// unfold joins the lines of a head that were folded.
func unfold(lines [][]byte) (whole [][]byte) {
	for _, line := range lines {
		if len(whole) > 1 && len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			last := len(whole) - 1
			whole[last] = append(append(slices.Clip(bytes.TrimRight(whole[last], " \t")), ' '), bytes.TrimLeft(line, " \t")...)
			continue
		}
		whole = append(whole, line)
	}
	return whole
}
