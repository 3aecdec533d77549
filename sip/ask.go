package sip

import (
	"context"
	"fmt"
	"strconv"

	sipmsg "github.com/emiago/sipgo/sip"
)

// outside starts a request that belongs to no call, to one target of a trunk:
// OPTIONS or REGISTER.
func (e *Endpoint) outside(ctx context.Context, t *trunk, at target) (Snapshot, error) {
	sock := e.socketFor(at.addr.Addr())
	if sock == nil {
		return Snapshot{}, fmt.Errorf("%w: no socket for %s", ErrUnreachable, at)
	}
	public, err := e.public(ctx, t, sock, at)
	if err != nil {
		return Snapshot{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return Snapshot{
		Trunk: t.Name, CallID: token(), LocalTag: token(), URI: t.serverURI(at.transport),
		Transport: at.transport, Flow: e.onlyByFlow(at.transport), Bind: sock.bind, Public: public, Hop: at.addr,
	}, nil
}

// serverURI names the trunk itself.
func (t *TrunkConfig) serverURI(transport string) string {
	return "sip:" + uriHost(t.Host) + t.uriTail(transport)
}

// uriTail is the port and transport of a URI at the trunk, where they are not
// what everybody assumes.
func (t *TrunkConfig) uriTail(transport string) (tail string) {
	if t.Port != 0 && t.Port != defaultPort(transport) {
		tail = ":" + strconv.Itoa(int(t.Port))
	}
	if transport != "udp" {
		tail += ";transport=" + transport
	}
	return tail
}

// account is who we are at the trunk, where no caller is meant.
func (t *TrunkConfig) account() string {
	switch {
	case t.FromUser != "":
		return t.FromUser
	case t.Username != "":
		return t.Username
	default:
		return "tandem"
	}
}

// probe sends an OPTIONS (RFC 3261 §11) and waits for its answer until ctx ends.
func (e *Endpoint) probe(ctx context.Context, t *trunk, at target) (*sipmsg.Response, error) {
	s, err := e.outside(ctx, t, at)
	if err != nil {
		return nil, err
	}
	uri, ok := sipURI(s.URI)
	if !ok {
		return nil, fmt.Errorf("%w: %s is no URI", ErrUnreachable, s.URI)
	}
	s.From = "<sip:" + t.account() + "@" + t.domain() + ">;tag=" + s.LocalTag
	req := s.message(sipmsg.OPTIONS, uri, t.proxyRoute(at.transport), "<"+s.URI+">", 1, newBranch(), s.Hop)
	req.AppendHeader(sipmsg.NewHeader("Contact", s.contact()))
	req.AppendHeader(sipmsg.NewHeader("Accept", sdpType))
	req.AppendHeader(sipmsg.NewHeader("User-Agent", e.cfg.UserAgent))
	req.SetBody(nil)
	res, err := e.ask(ctx, t, req)
	if err == nil && e.learn(t, &s, res) {
		t.reregister() // the contact that is known there is not ours any more
	}
	return res, err
}
