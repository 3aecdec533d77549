package sip

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// Finding is one thing Examine has looked at.
type Finding struct {
	Step  string        // resolve, connect, certificate, options, nat, register, call
	Fault Fault         // FaultNone = it is well
	Text  string        // what was seen
	Took  time.Duration // 0 = nothing was waited for
}

// examineCall is the call that Trace has the ladder of an examination under.
const examineCall = "examination"

const (
	examineConnect = 5 * time.Second
	examineOptions = 5 * time.Second
	examineTrying  = 5 * time.Second
	examineAll     = 15 * time.Second // for the call
)

// Examine tries a trunk in every way that costs nothing: it looks its name up,
// connects, asks OPTIONS, looks at what it sees of us, and places inv, a call to
// a number that nobody has, which shows whether we are let in. A phone that
// rings all the same is silenced at once.
func (e *Endpoint) Examine(ctx context.Context, inv Invite) (all []Finding, err error) {
	t := e.trunks.named(inv.Trunk)
	if t == nil {
		return nil, fmt.Errorf("trunk %s: %w", inv.Trunk, ErrNoTrunk)
	}
	add := func(step string, began time.Time, f Fault, text string, args ...any) {
		all = append(all, Finding{step, f, legible(strings.ReplaceAll(fmt.Sprintf(text, args...), "\n", "; ")), time.Since(began)})
	}
	began := time.Now()
	targets, err := e.locator.targets(ctx, &t.TrunkConfig)
	if err != nil {
		_, why, _ := strings.Cut(err.Error(), ErrUnresolved.Error()+": ")
		add("resolve", began, FaultName, "%s", why)
		return all, nil
	}
	targets = targets[:min(len(targets), maxTargets)]
	where := t.Host
	if t.Proxy != "" {
		where = "the outbound proxy " + t.Proxy
	}
	add("resolve", began, FaultNone, "%s is %s", where, joined(targets))
	alive := false
	for _, at := range targets {
		found := e.examineTarget(ctx, t, at)
		alive = alive || !slices.ContainsFunc(found, func(f Finding) bool { return f.Step != "nat" && f.Fault != FaultNone })
		all = append(all, found...)
	}
	if alive && t.Register.Expires > 0 {
		found, leave := e.examineRegister(ctx, t)
		all = append(all, found)
		defer leave() // after the call, which many a trunk takes only from who is registered
	}
	if alive {
		all = append(all, e.examineCall(ctx, inv))
	}
	return all, nil
}

func joined(targets []target) string {
	var all []string
	for _, at := range targets {
		all = append(all, at.String())
	}
	return strings.Join(all, ", ")
}

// examineTarget tries one place of a trunk.
func (e *Endpoint) examineTarget(ctx context.Context, t *trunk, at target) (all []Finding) {
	began := time.Now()
	if at.transport != "udp" {
		ctx, cancel := context.WithTimeout(ctx, examineConnect)
		defer cancel()
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at.addr.String())
		if err != nil {
			return []Finding{{"connect", cmp.Or(FaultOf(err), FaultConnection), fmt.Sprintf("%s: %v", at, err), time.Since(began)}}
		}
		defer conn.Close()
		all = append(all, Finding{Step: "connect", Text: at.String() + " accepts", Took: time.Since(began)})
		if at.transport == "tls" {
			found := examineCertificate(ctx, conn, t.secured)
			if all = append(all, found); found.Fault != FaultNone {
				return all
			}
		}
		began = time.Now()
	}
	claimed, err := e.public(ctx, t, e.socketFor(at.addr.Addr()), at)
	if err != nil {
		return append(all, Finding{"options", FaultConnection, err.Error(), time.Since(began)})
	}
	within, cancel := context.WithTimeout(ctx, examineOptions)
	defer cancel()
	res, err := e.probe(within, t, at)
	switch {
	case err != nil && within.Err() != nil && ctx.Err() == nil, errors.Is(err, sipmsg.ErrTransactionTimeout):
		return append(all, Finding{"options", FaultSilent, fmt.Sprintf("%s: no answer in %s", at, examineOptions), time.Since(began)})
	case err != nil:
		return append(all, Finding{"options", cmp.Or(FaultOf(err), FaultConnection), fmt.Sprintf("%s: %v", at, err), time.Since(began)})
	case res.StatusCode == sipmsg.StatusServiceUnavailable:
		return append(all, Finding{"options", FaultUnavailable, fmt.Sprintf("%s: 503 %s", at, legible(res.Reason)), time.Since(began)})
	}
	text := fmt.Sprintf("%s: %d %s", at, res.StatusCode, legible(res.Reason))
	if server := cmp.Or(header(res, "server"), header(res, "user-agent")); server != "" {
		text += ", it is " + legible(server)
	}
	all = append(all, Finding{Step: "options", Text: text, Took: time.Since(began)})
	return append(all, seenAs(t, at, claimed, res))
}

// examineCertificate shakes hands as a call would.
func examineCertificate(ctx context.Context, conn net.Conn, cfg *tls.Config) Finding {
	began := time.Now()
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		return Finding{"certificate", cmp.Or(FaultOf(err), FaultTLS), legible(err.Error()), time.Since(began)}
	}
	state := secure.ConnectionState()
	leaf := state.PeerCertificates[0] // a server has one
	text := fmt.Sprintf("%s, %s, good until %s", tls.VersionName(state.Version), leaf.Subject.CommonName, leaf.NotAfter.Format(time.DateOnly))
	return Finding{Step: "certificate", Text: legible(text), Took: time.Since(began)}
}

// seenAs compares what we said of ourselves with what the trunk has seen: the
// received and rport of our Via (RFC 3581).
func seenAs(t *trunk, at target, claimed netip.AddrPort, res *sipmsg.Response) Finding {
	via := res.Via()
	if via == nil {
		return Finding{"nat", FaultALG, "the answer has no Via", 0}
	}
	if got := fmt.Sprintf("%s:%d", via.Host, cmp.Or(via.Port, int(defaultPort(at.transport)))); got != fmt.Sprintf("%s:%d", claimed.Addr(), claimed.Port()) {
		return Finding{"nat", FaultALG, fmt.Sprintf("our Via said %s and came back as %s", claimed, legible(got)), 0}
	}
	seen := t.seenAs()
	if !seen.IsValid() {
		seen = claimed
	}
	switch {
	case seen.Addr() != claimed.Addr():
		return Finding{"nat", FaultNAT, fmt.Sprintf("the trunk sees us as %s, we say %s", seen, claimed), 0}
	case seen.Port() != claimed.Port() && at.transport == "udp":
		return Finding{"nat", FaultNAT, fmt.Sprintf("the trunk sees our port as %d, we say %d", seen.Port(), claimed.Port()), 0}
	case claimed.Addr().IsPrivate() && !at.addr.Addr().IsPrivate() && !via.Params.Has("received"):
		// A private address cannot have arrived as it left without somebody's help.
		return Finding{"nat", FaultALG, fmt.Sprintf("a public trunk saw our private address %s and found nothing to note", claimed.Addr()), 0}
	}
	return Finding{Step: "nat", Text: fmt.Sprintf("the trunk sees us as %s, as we say", seen)}
}

// examineRegister registers; leave takes the registration back.
func (e *Endpoint) examineRegister(ctx context.Context, t *trunk) (_ Finding, leave func()) {
	began := time.Now()
	r := newRegistrar(e, t)
	r.quit = ctx
	granted, err := r.register()
	if err != nil {
		return Finding{"register", cmp.Or(FaultOf(err), FaultForbidden), legible(err.Error()), time.Since(began)}, r.leave
	}
	return Finding{Step: "register", Text: fmt.Sprintf("registered for %s", granted), Took: time.Since(began)}, r.leave
}

// examineCall calls a number that nobody has.
func (e *Endpoint) examineCall(ctx context.Context, inv Invite) Finding {
	began := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rang := 0
	inv.Call, inv.Timeouts = examineCall, Timeouts{Trying: examineTrying, Progress: examineAll}
	inv.OnProgress = func(p Progress) {
		rang = p.Code
		cancel()
	}
	leg, err := e.Dial(ctx, inv)
	found := func(f Fault, text string, args ...any) Finding {
		return Finding{"call", f, legible(fmt.Sprintf(text, args...)), time.Since(began)}
	}
	var refused *Error
	switch {
	case err == nil:
		leg.Hangup(NormalClearing)
		return found(FaultNone, "the trunk takes our calls: it even answered %s, and was hung up at once", inv.To)
	case rang != 0:
		return found(FaultNone, "the trunk takes our calls: %d for %s, canceled at once", rang, inv.To)
	case !errors.As(err, &refused):
		return found(FaultSilent, "%v", err)
	}
	if f := FaultOf(err); f != FaultNone {
		return found(f, "%v", err)
	}
	if refused.ofOffer() {
		return found(FaultOffer, "%v", err)
	}
	return found(FaultNone, "the trunk takes our calls: %d %s for a number nobody has", refused.Code, refused.Text)
}

// ShortLadder is the four lines of an examination that say most.
func (e *Endpoint) ShortLadder() string {
	messages, _, _ := e.Trace(examineCall)
	messages = slices.DeleteFunc(messages, func(m Traced) bool {
		start := startOf(m.Message)
		return m.Repeated || strings.HasPrefix(start, "ACK ") || strings.HasPrefix(start, "100 ")
	})
	if n := len(messages); n > 4 {
		messages = append(messages[:2:2], messages[n-2:]...)
	}
	_, drawn, _ := strings.Cut(Ladder(messages, 0), "\n")
	return drawn
}
