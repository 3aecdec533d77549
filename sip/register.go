package sip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

const (
	// registerTries bounds the requests of one registration: challenges, 423.
	registerTries = 5
	// registerTimeout bounds one of them, unregisterTimeout the last of all.
	registerTimeout   = 8 * time.Second
	unregisterTimeout = 2 * time.Second
	// longestExpires bounds what a Min-Expires can make us ask for.
	longestExpires = 24 * time.Hour
	// soonest is how long after one round another may follow that is not due yet.
	soonest = time.Second
	// A registration that failed is tried again after a while that grows: soon
	// where nobody answered, and not so soon where we were refused, for some
	// registrars lock out who insists.
	shortestBackOff, refusedBackOff, longestBackOff = 2 * time.Second, 30 * time.Second, 5 * time.Minute
)

// Register is a registration (RFC 3261 §10).
type Register struct {
	Expires time.Duration // asked for; 0 = the trunk is not registered at
	User    string        // of the Contact; "" = the username
}

// registrar keeps a trunk registered. Its goroutine is the only one to touch it.
type registrar struct {
	e *Endpoint
	t *trunk

	callID, tag string
	seq         uint32
	auth        *authenticator
	ask         time.Duration // raised by a 423
	contact     string        // URI that is registered; "" = none
	at          target        // where
	failures    int           // in a row
	quit        context.Context
}

func newRegistrar(e *Endpoint, t *trunk) *registrar {
	return &registrar{e: e, t: t, callID: token(), tag: token(), ask: t.Register.Expires, auth: t.authenticator(new(nonces))}
}

func (t *TrunkConfig) authenticator(given *nonces) *authenticator {
	return newAuthenticator(credentials{Username: t.Username, Password: t.Password, Realm: t.Realm}, given)
}

// run registers, and again between a half and four fifths of the granted time,
// until quit ends; then it takes the registration back. That of an earlier
// configuration of the same trunk is waited for: it may be the same contact.
func (r *registrar) run(quit context.Context) {
	r.t.registration.Lock()
	defer r.t.registration.Unlock()
	r.quit = quit
	for r.quit.Err() == nil {
		began := time.Now()
		r.sleep(began, r.round())
	}
	r.leave()
}

// sleep waits until the next round is due. What was registered may come not to
// hold before; but whoever closes each connection at once is not asked at once
// each time, and while we are backing off nothing hastens us.
func (r *registrar) sleep(began time.Time, wait time.Duration) {
	due := time.NewTimer(wait)
	defer due.Stop()
	for {
		select {
		case <-due.C:
			return
		case <-r.quit.Done():
			return
		case <-r.t.again:
			if r.failures == 0 {
				due.Reset(max(0, time.Until(began.Add(soonest))))
			}
		}
	}
}

// round registers once, and returns how long that is good for.
func (r *registrar) round() (wait time.Duration) {
	granted, err := r.register()
	if r.quit.Err() != nil {
		return 0
	}
	if err != nil {
		r.failures++
		wait = r.backOff(err)
		r.t.unregistered(err)
		r.e.log.Warn("sip: not registered", "trunk", r.t.Name, "err", err, "dur", wait)
		return wait
	}
	if r.failures > 0 || !r.t.status().Registered {
		r.e.log.Info("sip: registered", "trunk", r.t.Name, "dur", granted)
	}
	r.failures = 0
	r.t.registered(time.Now().Add(granted))
	return max(granted/2+rand.N(granted*3/10+1), time.Second)
}

// backOff doubles with every failure, and is a matter of luck, so that a
// registrar that comes back is not met by everybody at once.
func (r *registrar) backOff(err error) time.Duration {
	base := shortestBackOff
	var refused *Error
	if errors.As(err, &refused) && refused.Code != 0 {
		base = max(refusedBackOff, refused.RetryAfter)
	}
	limit := max(longestBackOff, base)
	wait := min(base<<min(r.failures-1, 10), limit)
	return wait/2 + rand.N(wait/2+1)
}

// register tries the targets of the trunk until one has taken us.
func (r *registrar) register() (granted time.Duration, err error) {
	targets, err := r.e.locator.targets(r.quit, &r.t.TrunkConfig)
	if err != nil {
		return 0, &Error{Method: "register", Err: err}
	}
	for _, at := range targets[:min(len(targets), maxTargets)] {
		var refused *Error
		granted, err = r.registerAt(at)
		switch {
		case err == nil:
			r.e.locator.pardon(at)
			return granted, nil
		case !errors.As(err, &refused) || !refused.Elsewhere():
			return 0, err
		}
		r.e.locator.punish(at, max(penalty, refused.RetryAfter))
	}
	return 0, err
}

// registerAt registers at one target, with the address that it sees us at.
func (r *registrar) registerAt(at target) (granted time.Duration, err error) {
	for range registerTries {
		s, err := r.e.outside(r.e.ctx, r.t, at)
		if err != nil {
			return 0, &Error{Method: "register", Err: err}
		}
		contact := s.contactURI(r.user())
		if r.contact != "" && r.contact != contact { // we have moved: nobody is there any more
			r.forget(r.contact)
			r.contact = ""
		}
		res, err := r.send(r.quit, &s, contact, r.ask, registerTimeout)
		if err != nil {
			return 0, &Error{Method: "register", Err: err}
		}
		moved := r.e.learn(r.t, &s, res)
		switch {
		case res.IsSuccess():
			r.contact, r.at = contact, at
			r.t.follow(list(res, "service-route"))
			r.e.welcome(r.quit, r.t, list(res, "path"))
			if granted = grantedTo(res, contact, r.ask); granted <= 0 {
				return 0, &Error{Method: "register", Code: res.StatusCode, Text: res.Reason, Err: errors.New("the registrar grants no time")}
			}
			if !moved {
				return granted, nil
			}
		case challenged(res):
			if err := r.challenge(res); err != nil {
				refused := r.refused(res)
				refused.Err = err
				return 0, refused
			}
		case res.StatusCode == 423 && r.raise(res): // interval too brief
		default:
			return 0, r.refused(res)
		}
	}
	return 0, &Error{Method: "register", Err: errors.New("the registrar does not come to an end")}
}

func (r *registrar) refused(res *sipmsg.Response) *Error {
	refused := refusal(res)
	refused.Method = "register"
	return refused
}

// challenge takes a 401 or 407. Credentials that are refused are tried anew at
// the next round, when the registrar may know them.
func (r *registrar) challenge(res *sipmsg.Response) error {
	err := r.auth.challenge(res.StatusCode, headers(res, challengeHeader(res)))
	if err != nil {
		r.e.metrics.authFailure(r.t.Name, authReason(err))
		r.auth = r.t.authenticator(new(nonces))
	}
	return err
}

// raise takes the Min-Expires of a 423 (RFC 3261 §10.3), if it asks for more.
func (r *registrar) raise(res *sipmsg.Response) bool {
	seconds, ok := number(header(res, "min-expires"))
	least := time.Duration(seconds) * time.Second
	if !ok || least <= r.ask || least > longestExpires {
		return false
	}
	r.ask = least
	return true
}

func (r *registrar) user() string {
	if r.t.Register.User != "" {
		return r.t.Register.User
	}
	return r.t.account()
}

// send sends one REGISTER; expires 0 takes the contact back.
func (r *registrar) send(ctx context.Context, s *Snapshot, contact string, expires, timeout time.Duration) (*sipmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	uri, ok := sipURI(s.URI)
	if !ok {
		return nil, fmt.Errorf("%w: %s is no URI", ErrUnreachable, s.URI)
	}
	r.seq++
	seconds := strconv.Itoa(int(expires / time.Second))
	s.CallID = r.callID
	aor := "<sip:" + r.t.account() + "@" + r.t.domain() + ">"
	s.From = aor + ";tag=" + r.tag
	req := s.message(sipmsg.REGISTER, uri, r.t.proxyRoute(s.Transport), aor, r.seq, newBranch(), s.Hop)
	req.AppendHeader(sipmsg.NewHeader("Contact", "<"+contact+">;expires="+seconds))
	req.AppendHeader(sipmsg.NewHeader("Expires", seconds))
	req.AppendHeader(sipmsg.NewHeader("Supported", "path"))
	req.AppendHeader(sipmsg.NewHeader("Allow", allow))
	req.AppendHeader(sipmsg.NewHeader("User-Agent", r.e.cfg.UserAgent))
	req.SetBody(nil)
	for _, h := range r.auth.headers(req.Method.String(), req.Recipient.String(), nil) {
		req.AppendHeader(sipmsg.NewHeader(h.Name, h.Value))
	}
	return r.e.ask(ctx, r.t, req)
}

// forget takes one contact back, if the registrar answers in time.
func (r *registrar) forget(contact string) {
	for range registerTries {
		s, err := r.e.outside(r.e.ctx, r.t, r.at)
		if err != nil {
			return
		}
		res, err := r.send(r.e.ctx, &s, contact, 0, unregisterTimeout)
		if err != nil || !challenged(res) || r.challenge(res) != nil {
			return
		}
	}
}

// leave takes the registration back.
func (r *registrar) leave() {
	if r.contact != "" {
		r.forget(r.contact)
	}
	r.t.follow(nil)
	r.t.unregistered(ErrClosed)
}

// registered and unregistered keep the state for others to see.
func (t *trunk) registered(until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.registeredUntil = until
	t.count.registered(t.Name, until)
}

func (t *trunk) unregistered(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastFailed = why.Error()
	if now := time.Now(); now.Before(t.registeredUntil) && !errors.Is(why, ErrClosed) {
		return // the last one still holds
	}
	t.registeredUntil = time.Time{}
	t.count.registered(t.Name, time.Time{})
}

// reregister makes the registrar register now.
func (t *trunk) reregister() {
	select {
	case t.again <- struct{}{}:
	default:
	}
}
