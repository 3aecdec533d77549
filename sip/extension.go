package sip

import (
	"slices"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"
)

// extensions are what a far end has said of option tags in refusing a request of
// ours: it goes before what the trunk's configuration says, in this call.
type extensions struct {
	refused  []string // by a 420's Unsupported (RFC 3261 §8.1.3.5)
	demanded []string // by a 421's Require (§21.4.15)
}

// offers reports whether this leg's requests say that we understand an extension,
// 100rel or timer.
func (l *Leg) offers(tag string) bool {
	switch {
	case slices.Contains(l.extensions.refused, tag):
		return false
	case slices.Contains(l.extensions.demanded, tag):
		return true
	case tag == "timer":
		return l.t.SessionTimer.Mode != "" && l.t.SessionTimer.Mode != "none"
	default:
		return l.t.ReliableProvisional != "none"
	}
}

// requires100rel reports whether they insist on reliable provisionals.
func (l *Leg) requires100rel() bool {
	return l.t.ReliableProvisional == "require" && l.offers("100rel")
}

// supported are the option tags we offer in this leg, "" for none.
func (l *Leg) supported() string {
	return strings.Join(slices.DeleteFunc(splitList(understood), func(tag string) bool { return !l.offers(tag) }), ", ")
}

// addAbilities says in a request of ours what we can and understand, and what timer
// we want.
func (l *Leg) addAbilities(req *sipmsg.Request) {
	req.AppendHeader(sipmsg.NewHeader("Allow", allow))
	if tags := l.supported(); tags != "" {
		req.AppendHeader(sipmsg.NewHeader("Supported", tags))
	}
	for _, h := range l.timerHeaders() {
		req.AppendHeader(h)
	}
}

// extend does what a 420 or 421 asks for, and reports whether asking again can end
// otherwise: without a tag that was there, or with one we know that was not.
func (l *Leg) extend(res *sipmsg.Response) bool {
	name, sent, into := "unsupported", true, &l.extensions.refused
	switch res.StatusCode {
	case sipmsg.StatusBadExtension:
	case 421: // Extension Required
		name, sent, into = "require", false, &l.extensions.demanded
	default:
		return false
	}
	var changed []string
	for _, tag := range list(res, name) {
		tag = strings.ToLower(tag)
		known := slices.Contains(splitList(understood), tag)
		switch {
		case known && l.offers(tag) == sent && !slices.Contains(l.extensions.refused, tag):
			changed = append(changed, tag)
		case !sent && !(known && l.offers(tag)):
			return false // it wants what we cannot do
		}
	}
	if len(changed) == 0 {
		return false
	}
	*into = append(*into, changed...)
	l.log.Warn("sip: other extensions", "code", res.StatusCode, "tags", strings.Join(changed, ", "))
	return true
}
