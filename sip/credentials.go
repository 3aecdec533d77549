package sip

import (
	"net/netip"
	"sync"

	sipmsg "github.com/emiago/sipgo/sip"
)

// legAuth is a leg's memory of its trunk's challenges. Requests of one leg may
// be under way at the same time, so it has a lock.
type legAuth struct {
	mu   sync.Mutex
	auth *authenticator
}

func newLegAuth(t *trunk, server netip.AddrPort) *legAuth {
	return &legAuth{auth: t.authenticator(t.nonces.at(server))}
}

// challenged reports whether a response asks for credentials (RFC 3261 §22.2, §22.3).
func challenged(res *sipmsg.Response) bool {
	return res.StatusCode == sipmsg.StatusUnauthorized || res.StatusCode == sipmsg.StatusProxyAuthRequired
}

// challengeHeader is where a 401 or 407 has its challenges.
func challengeHeader(res *sipmsg.Response) string {
	if res.StatusCode == sipmsg.StatusProxyAuthRequired {
		return "proxy-authenticate"
	}
	return "www-authenticate"
}

// challenge takes note of a 401 or 407. An error means that the request must
// not be sent again.
func (l *Leg) challenge(res *sipmsg.Response) error {
	l.auth.mu.Lock()
	err := l.auth.auth.challenge(res.StatusCode, headers(res, challengeHeader(res)))
	l.auth.mu.Unlock()
	if err != nil {
		l.e.metrics.authFailure(l.t.Name, authReason(err))
		l.log.Warn("sip: not authorised", "code", res.StatusCode, "err", err)
	}
	return err
}

// authorise adds credentials for every realm that has challenged this leg. The
// request must be complete but for them.
func (l *Leg) authorise(req *sipmsg.Request) {
	l.auth.mu.Lock()
	defer l.auth.mu.Unlock()
	for _, h := range l.auth.auth.headers(req.Method.String(), req.Recipient.String(), req.Body()) {
		req.AppendHeader(sipmsg.NewHeader(h.Name, h.Value))
	}
}
