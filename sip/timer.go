package sip

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// What RFC 4028 sets, and what we ask for where a trunk says nothing.
const (
	leastInterval = 90 * time.Second // §5: no Min-SE is below it
	usualInterval = 30 * time.Minute // §4.2
	mostInterval  = 24 * time.Hour   // what a peer names beyond is not worth a clock
)

// refreshTries bounds how often one refresh is sent: challenges, 422s, glare.
const refreshTries = 6

// SessionTimer is how a trunk uses RFC 4028, which finds out by itself that the
// other end of a call is gone.
type SessionTimer struct {
	Mode    string        // none (the default), accept what the peer asks for, or request
	Expires time.Duration // what request asks for; 0 = 30 min
	MinSE   time.Duration // the shortest interval taken; less than 90 s is 90 s
}

// interval is what we ask for, as long as no peer wants more.
func (t *SessionTimer) interval() time.Duration {
	if t.Expires > 0 {
		return t.Expires
	}
	return usualInterval
}

// Session is what both ends agreed about the timer of a dialog; zero = none.
type Session struct {
	Interval time.Duration `json:"interval,omitempty"`
	Ours     bool          `json:"ours,omitempty"` // we refresh; otherwise the peer does
	Until    time.Time     `json:"until,omitzero"` // when it is over unless refreshed
}

// countdown is the clocks of one Session. A new one takes its place at every
// refresh, so that what an old clock has posted is told by its countdown.
type countdown struct {
	refresh *time.Timer
	expiry  *time.Timer
	tries   int
}

// timerHeaders are what a session refresh request of ours says (§7.1): in the
// INVITE, in every re-INVITE and UPDATE.
func (l *Leg) timerHeaders() []sipmsg.Header {
	var all []sipmsg.Header
	switch mode := l.t.SessionTimer.Mode; {
	case !l.offers("timer"):
		return nil
	case mode == "request" && l.s.Session.Interval == 0:
		all = append(all, sipmsg.NewHeader("Session-Expires", seconds(max(l.t.SessionTimer.interval(), l.leastInterval()))))
	case l.s.Session.Interval > 0:
		all = append(all, sipmsg.NewHeader("Session-Expires", seconds(max(l.s.Session.Interval, l.leastInterval()))+";refresher="+refresher(l.s.Session.Ours, "uac", "uas")))
	case mode != "accept", l.leastInterval() == leastInterval: // what everybody takes
		return nil
	}
	return append(all, sipmsg.NewHeader("Min-SE", seconds(l.leastInterval())))
}

// leastInterval is the shortest interval every party so far can live with.
func (l *Leg) leastInterval() time.Duration {
	return max(l.t.SessionTimer.MinSE, l.minSE, leastInterval)
}

// refresher names who refreshes, as a request or a response puts it.
func refresher(ours bool, us, peer string) string {
	if ours {
		return us
	}
	return peer
}

// seconds writes an interval as delta-seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// sessionExpires reads Session-Expires: the interval, and "uac", "uas" or "".
func sessionExpires(msg sipmsg.Message) (interval time.Duration, who string, ok bool) {
	value, params, _ := strings.Cut(header(msg, "session-expires"), ";")
	n, ok := number(value)
	if !ok || n == 0 {
		return 0, "", false
	}
	for param := range strings.SplitSeq(params, ";") {
		name, val, _ := strings.Cut(param, "=")
		if val = strings.ToLower(strings.TrimSpace(val)); strings.EqualFold(strings.TrimSpace(name), "refresher") && (val == "uac" || val == "uas") {
			who = val
		}
	}
	return min(time.Duration(n), mostInterval/time.Second) * time.Second, who, true
}

// minSE reads Min-SE, 0 when there is none.
func minSE(msg sipmsg.Message) time.Duration {
	value, _, _ := strings.Cut(header(msg, "min-se"), ";")
	n, _ := number(value)
	return min(time.Duration(n), mostInterval/time.Second) * time.Second
}

// raise takes the Min-SE of a 422 (§7.3), and reports whether asking again can
// end otherwise.
func (l *Leg) raise(res *sipmsg.Response) bool {
	least := minSE(res)
	if !l.offers("timer") || least <= l.leastInterval() {
		return false
	}
	l.minSE = least
	return true
}

// agree takes what a 2xx of the peer's says of the timer (§7.2). Where the
// peer does not know it, or no longer, a trunk that asks for it is refreshed by us
// alone: a 481 then tells that it has forgotten the call.
func (l *Leg) agree(res *sipmsg.Response) {
	interval, who, ok := sessionExpires(res)
	switch timer := l.t.SessionTimer; {
	case !l.offers("timer") && l.s.Session.Interval > 0: // refused by now (420)
		l.count(l.s.Session.Interval, true)
	case !l.offers("timer"):
	case ok:
		l.count(interval, who != "uas")
	case timer.Mode == "request":
		l.count(max(timer.interval(), l.leastInterval()), true)
	default:
		l.stopCount()
	}
}

// count starts the clocks of a new interval: the refresh at its half, if it is
// ours to send, and the end as much before the interval's as §10 wants.
func (l *Leg) count(interval time.Duration, ours bool) {
	l.stopCount()
	interval = max(interval, leastInterval)
	c := &countdown{expiry: l.after(interval-min(32*time.Second, interval/3), func() { l.expire() })}
	if ours {
		c.refresh = l.after(interval/2, func() { l.refresh(c) })
	}
	l.counting = c
	l.s.Session = Session{Interval: interval, Ours: ours, Until: time.Now().Add(interval)}
	l.publish()
}

// stopCount ends the timer: there is none, or another begins.
func (l *Leg) stopCount() {
	if c := l.counting; c != nil {
		c.expiry.Stop()
		if c.refresh != nil {
			c.refresh.Stop()
		}
	}
	l.counting, l.s.Session = nil, Session{}
}

// expire hangs up on a peer that has not refreshed, or whom we could not reach.
func (l *Leg) expire() {
	if s := l.s.Session; s.Interval == 0 || time.Until(s.Until) > min(32*time.Second, s.Interval/3) {
		return // refreshed in the same instant
	}
	if l.drop(&Ended{By: Us, Reason: TimerExpired, Err: ErrSessionExpired}) {
		l.log.Warn("sip: session timer ran out", "refresher", refresher(l.s.Session.Ours, "us", "peer"))
		l.hangUp(TimerExpired)
	}
}

// refresh sends the refresh: an UPDATE where the peer takes them, else a
// re-INVITE that changes nothing (§10).
func (l *Leg) refresh(c *countdown) {
	switch {
	case c != l.counting || l.up.Err() != nil || l.main == nil:
	case l.reoffer != nil || l.unacked.waiting():
		l.refreshIn(c, time.Second) // an INVITE is under way: one at a time (RFC 3261 §14.1)
	case c.tries >= refreshTries:
		l.log.Warn("sip: refresh not accepted, the session timer will run out")
	case l.main.Updates:
		c.tries++
		l.refreshByUpdate(c)
	case len(l.local) > 0:
		c.tries++
		l.reoffer = &reoffer{offer: l.local, result: make(chan reofferResult, 1), refreshes: c}
		l.sendReoffer(l.reoffer)
	}
}

func (l *Leg) refreshIn(c *countdown, d time.Duration) {
	c.refresh = l.after(d, func() { l.refresh(c) })
}

// refreshLater tries again when half of what is left has gone by.
func (l *Leg) refreshLater(c *countdown) {
	if c == l.counting {
		l.refreshIn(c, max(time.Until(l.s.Session.Until)/2, 5*time.Second))
	}
}

func (l *Leg) refreshByUpdate(c *countdown) {
	req := l.newRefresh(sipmsg.UPDATE)
	withSDP(req, nil)
	l.authorise(req)
	var res *sipmsg.Response
	var err error
	l.task(func() { res, err = l.e.roundTrip(l.t, req) }, func() { l.updated(c, res, err) })
}

// updated handles the answer to our UPDATE.
func (l *Leg) updated(c *countdown, res *sipmsg.Response, err error) {
	switch {
	case c != l.counting || l.up.Err() != nil:
	case errors.Is(err, sipmsg.ErrTransactionTimeout):
		l.dead(sipmsg.StatusRequestTimeout)
	case err != nil:
		l.refreshLater(c)
	case res.IsSuccess():
		l.main.refresh(res)
		l.s.aim(&l.main.Dialog, sourceOf(res), l.knows)
		l.publishDialog(l.main)
		l.agree(res)
	case l.complies(res):
		l.refresh(c)
	case forgotten(res.StatusCode):
		l.dead(res.StatusCode)
	case res.StatusCode == sipmsg.StatusMethodNotAllowed, res.StatusCode == sipmsg.StatusNotImplemented:
		l.main.Updates = false
		l.refresh(c)
	case res.StatusCode == sipmsg.StatusRequestPending:
		l.refreshIn(c, glareWait())
	default:
		l.log.Warn("sip: refresh refused", "code", res.StatusCode)
		l.refreshLater(c)
	}
}

// moved hears the answer to a refreshing re-INVITE: one that differs from the
// last says where the sound goes now.
func (l *Leg) moved(answer []byte) {
	if len(answer) == 0 || string(answer) == string(l.remote) || l.inv.Reaccept == nil {
		return
	}
	l.remote = answer
	if err := l.inv.Reaccept(answer); err != nil {
		l.log.Warn("sip: answer to refresh not usable", "err", err)
		l.Hangup(badOffer)
	}
}

// forgotten reports whether a response says that the peer has no such dialog (RFC
// 3261 §12.2.1.2).
func forgotten(code int) bool {
	return code == sipmsg.StatusCallTransactionDoesNotExists || code == sipmsg.StatusRequestTimeout
}

// tooShort refuses a session refresh request that asks for an interval below
// our least (§9). One that does not know the timer cannot be asked for more.
func (l *Leg) tooShort(in *inboundRequest) bool {
	interval, _, ok := sessionExpires(in)
	if !ok || !l.offers("timer") || interval >= l.leastInterval() || !hasToken(in, "supported", "timer") {
		return false
	}
	in.respond(422, "Session Interval Too Small", sipmsg.NewHeader("Min-SE", seconds(l.leastInterval())))
	return true
}

// grant is what our 2xx to a session refresh request says of the timer (§9),
// and starts its clocks.
func (l *Leg) grant(in *inboundRequest) []sipmsg.Header {
	interval, who, asked := sessionExpires(in)
	switch {
	case !l.offers("timer") || !asked && l.s.Session.Interval == 0:
		return nil
	case !asked:
		interval = l.s.Session.Interval
	}
	l.minSE = max(l.minSE, minSE(in))
	ours := who == "uas" || who == "" && l.s.Session.Ours
	if !hasToken(in, "supported", "timer") && !hasToken(in, "require", "timer") {
		ours = true // §9, table 2: it cannot
	}
	l.count(interval, ours)
	all := []sipmsg.Header{sipmsg.NewHeader("Session-Expires",
		fmt.Sprintf("%s;refresher=%s", seconds(l.s.Session.Interval), refresher(ours, "uas", "uac")))}
	if !ours {
		all = append(all, sipmsg.NewHeader("Require", "timer"))
	}
	return all
}
