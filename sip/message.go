package sip

import (
	"crypto/rand"
	"net"
	"net/netip"
	"strconv"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"
)

// What we say of ourselves in INVITEs, 2xx and OPTIONS.
const (
	allow   = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, NOTIFY"
	sdpType = "application/sdp"
)

// understood are the option tags a Require may name (RFC 3261 §8.2.2.3).
const understood = "100rel, timer"

// maxForwards is RFC 3261 §8.1.1.6's.
const maxForwards = 70

// token returns a random word for a tag or Call-ID: 130 bits, all letters and digits.
func token() string { return rand.Text() }

// newBranch returns a Via branch (RFC 3261 §8.1.1.7).
func newBranch() string { return sipmsg.RFC3261BranchMagicCookie + token() }

// ours reports whether a Via branch looks like one of newBranch.
func ours(branch string) bool {
	random, ok := strings.CutPrefix(branch, sipmsg.RFC3261BranchMagicCookie)
	return ok && len(random) == len(token()) && strings.Trim(random, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// hostPort writes an address the way SIP does, the default port left out.
func hostPort(addr netip.AddrPort) string {
	host := addr.Addr().String()
	if addr.Addr().Is6() {
		host = "[" + host + "]"
	}
	if addr.Port() == 0 || int(addr.Port()) == sipmsg.DefaultUdpPort {
		return host
	}
	return host + ":" + strconv.Itoa(int(addr.Port()))
}

// contact is our Contact header value in this leg.
func (s *Snapshot) contact() string {
	return "<" + s.contactURI("tandem") + ">"
}

// contactURI is where requests to user reach us.
func (s *Snapshot) contactURI(user string) string {
	uri := "sip:" + user + "@" + hostPort(s.Public)
	switch s.Transport {
	case "tcp":
		uri += ";transport=tcp"
	case "tls": // whose default port is another
		uri = "sip:" + user + "@" + s.Public.String() + ";transport=tls"
	}
	if s.Flow {
		uri += ";ob" // come back the way this went (RFC 5626 §5.3)
	}
	return uri
}

// via makes a Via header of this leg with the given branch.
func (s *Snapshot) via(branch string) *sipmsg.ViaHeader {
	v := &sipmsg.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: sipmsg.NetworkToUpper(s.Transport),
		Host: s.Public.Addr().String(), Port: int(s.Public.Port()),
	}
	v.Params.Add("branch", branch)
	v.Params.Add("rport", "") // RFC 3581: answer to where this came from
	if s.Flow {
		v.Params.Add("alias", "") // and send what you ask there too (RFC 5923 §4)
	}
	return v
}

// message builds a request of this leg up to Contact. It is pinned to one
// socket and one next hop, so that nothing is looked up again on its way out.
func (s *Snapshot) message(method sipmsg.RequestMethod, uri sipmsg.Uri, routes []string, to string, seq uint32, branch string, hop netip.AddrPort) *sipmsg.Request {
	req := sipmsg.NewRequest(method, uri)
	req.AppendHeader(s.via(branch))
	for _, route := range routes {
		req.AppendHeader(sipmsg.NewHeader("Route", route))
	}
	forwards := sipmsg.MaxForwardsHeader(maxForwards)
	req.AppendHeader(&forwards)
	req.AppendHeader(sipmsg.NewHeader("From", s.From))
	req.AppendHeader(sipmsg.NewHeader("To", to))
	id := sipmsg.CallIDHeader(s.CallID)
	req.AppendHeader(&id)
	req.AppendHeader(&sipmsg.CSeqHeader{SeqNo: seq, MethodName: method})
	s.pin(req, hop)
	return req
}

// pin ties a request to the leg's socket and to a next hop.
func (s *Snapshot) pin(req *sipmsg.Request, hop netip.AddrPort) {
	req.SetTransport(sipmsg.NetworkToUpper(s.Transport))
	req.SetDestination(hop.String())
	if s.Transport == "udp" {
		req.Laddr = sipmsg.Addr{IP: net.IP(s.Bind.Addr().AsSlice()), Port: int(s.Bind.Port())}
	}
}

// within builds a request inside a dialog (RFC 3261 §12.2.1.1).
func (s *Snapshot) within(d *Dialog, method sipmsg.RequestMethod, seq uint32) *sipmsg.Request {
	target, routes := d.Target, d.Routes
	if len(routes) > 0 && !looseRouter(routes[0]) {
		// A strict router wants to be the Request-URI; the target goes last.
		routes = append(append([]string(nil), routes[1:]...), "<"+target+">")
		target = addressURI(d.Routes[0])
	}
	uri, ok := sipURI(target)
	if !ok { // cannot be: newDialog lets only such targets in
		uri, _ = sipURI(s.URI)
	}
	uri.Headers = nil // not allowed in a Request-URI (§19.1.5)
	req := s.message(method, uri, routes, d.To, seq, newBranch(), d.Hop)
	if method != sipmsg.ACK && method != sipmsg.BYE && method != sipmsg.PRACK {
		req.AppendHeader(sipmsg.NewHeader("Contact", s.contact()))
	}
	return req
}

// ack builds the ACK of a 2xx to the INVITE with CSeq seq (RFC 3261 §13.2.2.4).
func (s *Snapshot) ack(d *Dialog, seq uint32) *sipmsg.Request {
	req := s.within(d, sipmsg.ACK, seq)
	req.SetBody(nil)
	return req
}

// ackOf is ack with the credentials of its INVITE: an ACK cannot be challenged
// (RFC 3261 §22.1).
func (s *Snapshot) ackOf(d *Dialog, invite *sipmsg.Request) *sipmsg.Request {
	req := s.ack(d, seqOf(invite))
	for _, name := range []string{"Authorization", "Proxy-Authorization"} {
		for _, h := range invite.GetHeaders(name) {
			req.AppendHeader(sipmsg.NewHeader(name, h.Value()))
		}
	}
	return req
}

// hopByHop builds the CANCEL of an INVITE, or the ACK of its refusal: same
// branch, Request-URI and routes, so that every proxy knows which one is meant
// (RFC 3261 §9.1, §17.1.1.3).
func (s *Snapshot) hopByHop(method sipmsg.RequestMethod, invite *sipmsg.Request, to string) *sipmsg.Request {
	var routes []string
	for _, route := range invite.GetHeaders("route") {
		routes = append(routes, route.Value())
	}
	req := s.message(method, *invite.Recipient.Clone(), routes, to, seqOf(invite), branchOf(invite), s.Hop)
	req.SetDestination(invite.Destination())
	req.RemoveHeader("Via")
	req.PrependHeader(invite.Via().Clone())
	req.SetBody(nil)
	return req
}

// newDialog reads the far end's half of a dialog out of a response that makes
// one (RFC 3261 §12.1.2). known tells which addresses the trunk may be at:
// where a Contact or Record-Route names none of them, requests go to where the
// response came from. That is never a name to look up, and never a stranger,
// whose answer the guard would drop.
func (s *Snapshot) newDialog(res *sipmsg.Response, known func(netip.Addr) bool) Dialog {
	d := Dialog{RemoteTag: toTag(res), To: toValue(res, s.To), Target: s.URI}
	d.refresh(res)
	recorded := list(res, "record-route")
	for i := len(recorded) - 1; i >= 0; i-- {
		d.Routes = append(d.Routes, recorded[i])
	}
	s.aim(&d, sourceOf(res), known)
	if !d.Hop.IsValid() {
		d.Hop = s.Hop
	}
	return d
}

// refresh takes the remote target from a message's Contact, if it has one that
// can be sent to (RFC 3261 §12.2), and whether UPDATE is allowed from its Allow.
func (d *Dialog) refresh(msg sipmsg.Message) {
	if len(headers(msg, "allow")) > 0 {
		d.Updates = hasToken(msg, "allow", "UPDATE")
	}
	for _, contact := range list(msg, "contact") {
		if uri := addressURI(contact); uri != "" {
			if _, ok := sipURI(uri); ok {
				d.Target = uri
				return
			}
		}
	}
}

// aim chooses the next hop of a dialog: the first route, else the target, else
// source. A TLS connection that leads to the same address is kept to.
func (s *Snapshot) aim(d *Dialog, source netip.AddrPort, known func(netip.Addr) bool) {
	next := d.Target
	if len(d.Routes) > 0 {
		next = addressURI(d.Routes[0])
	}
	hop, ok := literal(next)
	same := s.Transport == "tls" && hop.Addr() == source.Addr()
	if ok && known(hop.Addr()) && !same {
		d.Hop = hop
		return
	}
	if source.IsValid() {
		d.Hop = source
	}
}

// toValue is a response's To header value, or otherwise where it has none.
func toValue(res *sipmsg.Response, otherwise string) string {
	if h := res.To(); h != nil {
		return h.Value()
	}
	return otherwise
}
