package test

import (
	"strconv"
	"strings"
)

// checkGrammar holds what tandem said in a dialog to RFC 3261: what each message has
// (§8.1.1, §20), and how the messages of a dialog hang together (§9.1, §12.2.1.1,
// §13.2.2.4, §17.1.1.3).
func (d *Dialog) checkGrammar(say func(string, ...any)) {
	invites := make(map[string]*Message) // by branch
	branches := make(map[string]bool)
	highest := make(map[string]int) // CSeq, by remote tag; "" is before there was one
	wrong := func(m *Message, what string) { say("RFC 3261: %s to %s: %s", m.First, d.Number, what) }
	for _, m := range d.Messages {
		if !m.Out || m.Again {
			continue
		}
		for _, fault := range m.faults() {
			wrong(m, fault)
		}
		if m.Code > 0 {
			continue
		}
		if group(tagOf, m.Header("From")) != group(tagOf, d.Messages[0].Header("From")) {
			wrong(m, "another From tag than its dialog")
		}
		invite, hopByHop := invites[m.Branch]
		switch {
		case m.Method == "CANCEL" || m.Method == "ACK" && hopByHop:
			if !hopByHop || m.CSeq != invite.CSeq || m.uri() != invite.uri() || m.Header("Route") != invite.Header("Route") {
				wrong(m, "it does not match its INVITE")
			}
			continue
		case branches[m.Branch]:
			wrong(m, "the branch of another transaction")
		case m.Method != "ACK" && m.CSeq <= max(highest[""], highest[m.ToTag]):
			wrong(m, "its CSeq does not rise")
		}
		branches[m.Branch] = true
		if m.Method == "INVITE" {
			invites[m.Branch] = m
		}
		if m.Method != "ACK" {
			highest[m.ToTag] = m.CSeq
		}
	}
}

// faults are what is wrong with one message by itself.
func (m *Message) faults() (all []string) {
	check := func(right bool, fault string) {
		if !right {
			all = append(all, fault)
		}
	}
	request := m.Code == 0
	once := []string{"From", "To", "Call-ID", "CSeq", "Content-Length"}
	if request {
		once = append(once, "Via", "Max-Forwards")
		check(m.Header("Max-Forwards") == "70", "Max-Forwards is not 70")
		method, _, _ := strings.Cut(m.First, " ")
		check(method == m.Method, "CSeq names another method")
		check(strings.HasPrefix(m.Branch, "z9hG4bK"), "a branch without the cookie")
	} else {
		check(m.Code == 100 || m.ToTag != "", "no To tag")
	}
	if offers := m.Method == "INVITE" || m.Method == "UPDATE"; offers && request || offers && m.Code/100 == 2 {
		once = append(once, "Contact", "Allow", "Supported")
	}
	if m.Method == "INVITE" && request && m.ToTag == "" {
		once = append(once, "User-Agent")
	}
	if m.Body != "" {
		once = append(once, "Content-Type")
	}
	for _, name := range once {
		check(m.count(name) == 1, name+" is there "+strconv.Itoa(m.count(name))+" times")
	}
	check(m.Header("Content-Length") == strconv.Itoa(len(m.Body)), "Content-Length is not the body's")
	return all
}

// uri is the Request-URI.
func (m *Message) uri() string {
	words := strings.Fields(m.First)
	return words[min(1, len(words)-1)]
}

// count is how many headers of a name there are.
func (m *Message) count(name string) (n int) {
	for line := range strings.SplitSeq(m.Head, "\r\n") {
		if key, _, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(key), name) {
			n++
		}
	}
	return n
}
