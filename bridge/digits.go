package bridge

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"tandem/dtmf"
	"tandem/media"
	"tandem/sip"
)

const (
	giveUpDigit = '*' // while the prospect rings
	goOnDigit   = '#' // past the rest of an extension
)

// leftWhileDialing names a hang-up while the extension was being dialled.
var leftWhileDialing = map[Side]Reason{Rep: ReasonRepGone, Prospect: ReasonProspectHungUp}

// dialOn sends an extension to an answered leg: "," is a pause, ";" waits for
// the rep's #. The rep may skip the rest with #. presses is nil where nobody can
// press: then ";" is a pause too.
func (c *call) dialOn(ctx context.Context, sound *media.Stream, extension string, presses <-chan dtmf.Press) *End {
	if extension == "" {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if strings.IndexAny(extension, ",;") != 0 {
		extension = "|" + extension // T_ext
	}
	for rest := extension; rest != ""; {
		var err error
		var skipped bool
		switch token := rest[0]; token {
		case '|', ',', ';':
			rest = rest[1:]
			wait := c.Limits.Pause
			if token == '|' {
				wait = c.Limits.Extension
			}
			skipped = c.pause(ctx, wait, token == ';' && presses != nil, presses)
			if token == ';' {
				skipped = false // the # was what it waited for
			}
		default:
			n := strings.IndexAny(rest+",", ",;")
			err = sound.SendDigits(ctx, rest[:n])
			rest = rest[n:]
		}
		if err != nil || ctx.Err() != nil {
			end := causeOf(ctx)
			return &end
		}
		if skipped {
			return nil
		}
	}
	return nil
}

// pause waits for d, or with forKey until the rep presses #; it reports whether
// that was pressed.
func (c *call) pause(ctx context.Context, d time.Duration, forKey bool, presses <-chan dtmf.Press) bool {
	var passed <-chan time.Time
	if !forKey {
		timer := time.NewTimer(d)
		defer timer.Stop()
		passed = timer.C
	}
	for {
		select {
		case p := <-presses:
			if p.Digit == goOnDigit && p.Down() {
				return true
			}
		case <-passed:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// unlessStar is ctx, ended as well by the rep's *. noMore stops listening, and
// leaves later presses to others.
func (c *call) unlessStar(ctx context.Context, presses <-chan dtmf.Press) (_ context.Context, noMore func()) {
	ringing, giveUp := context.WithCancelCause(ctx)
	done := make(chan struct{})
	var listening sync.WaitGroup
	listening.Go(func() {
		c.careful(func() {
			for {
				select {
				case p := <-presses:
					if p.Digit == giveUpDigit && p.Down() {
						giveUp(End{Reason: ReasonCanceledByRep, By: ByRep})
					}
				case <-done:
					return
				}
			}
		})
	})
	return ringing, func() {
		close(done)
		listening.Wait()
	}
}

// untilStar ends the talk by a * that the rep holds, or presses twice. Tones do
// not count: speech would hang up on prospects.
func (c *call) untilStar(ctx context.Context, hangUp context.CancelCauseFunc) {
	presses, deaf := c.rep.ListenSignals()
	defer deaf()
	held := time.NewTimer(0)
	held.Stop()
	defer held.Stop()
	var last time.Time // when * went down
	for {
		enough := false
		select {
		case p := <-presses:
			switch {
			case p.Digit != giveUpDigit:
				last = time.Time{}
			case p.Up:
				enough = p.Held >= c.Limits.LongPress
				held.Stop()
			case p.Down():
				enough = !last.IsZero() && time.Since(last) <= c.Limits.DoublePress
				last = time.Now()
				held.Reset(c.Limits.LongPress)
			}
		case <-held.C:
			enough = true
		case <-ctx.Done():
			return
		}
		if enough {
			hangUp(End{Reason: ReasonCompleted, By: ByRep})
			return
		}
	}
}

// whileTalking sends what the API asks for, hears the rep's *, and warns of the
// limit, until stop is called after ctx has ended.
func (c *call) whileTalking(ctx context.Context, limit time.Duration, hangUp context.CancelCauseFunc) (stop func()) {
	var work sync.WaitGroup
	work.Go(func() { c.careful(func() { c.untilStar(ctx, hangUp) }) })
	work.Go(func() { c.careful(func() { c.sendDigits(ctx) }) })
	var warnings []*time.Timer
	for _, before := range c.Limits.Warn {
		if limit > before {
			warnings = append(warnings, time.AfterFunc(limit-before, func() { c.rep.Play(c.Sounds.Limit) }))
		}
	}
	return func() {
		for _, w := range warnings {
			w.Stop()
		}
		work.Wait()
	}
}

// sendDigits sends the prospect what the API asks for, until ctx ends.
func (c *call) sendDigits(ctx context.Context) {
	for {
		select {
		case digits := <-c.digits:
			if c.prospect.SendDigits(ctx, digits) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// attend watches over the sound of a leg until ctx ends.
func (c *call) attend(ctx context.Context, side Side, sound *media.Stream, work *sync.WaitGroup) {
	work.Go(func() { c.careful(func() { c.hearken(ctx, side, sound) }) })
	if side == Prospect && c.mayBeWide() {
		work.Go(func() { c.careful(func() { c.keepCodec(ctx) }) })
	}
}

// hearken flags a leg that is answered and not heard.
func (c *call) hearken(ctx context.Context, side Side, sound *media.Stream) {
	limit, flag := c.Limits.FirstRTP, FlagOneWayRep
	if side == Prospect {
		limit, flag = c.Limits.OneWay, FlagOneWayProspect
	}
	patience := time.NewTimer(limit)
	defer patience.Stop()
	select {
	case <-sound.Started():
	case <-ctx.Done():
	case <-patience.C:
		c.say(Event{Type: CallUpdated, Side: side, Flag: flag})
	}
}

// toldByNetwork reports whether the rep heard the prospect's own network refuse
// the call: what we would say of it would be said twice.
func (c *call) toldByNetwork(end End) bool {
	if end.Side != Prospect || end.Hangup == nil || end.Hangup.SIPCode < 300 && end.Signal == dtmf.SignalNone {
		return false
	}
	select {
	case <-c.prospect.Started():
		return true
	default:
		return false
	}
}

// earlier settles who hung up first where both did: the BYE that came first.
func earlier(end End, rep, prospect AnsweredLeg) End {
	at := func(leg AnsweredLeg) (time.Time, bool) {
		var ended *sip.Ended
		if !errors.As(context.Cause(leg.Context()), &ended) || ended.By != sip.Peer {
			return time.Time{}, false
		}
		return ended.At, true
	}
	repAt, repLeft := at(rep)
	prospectAt, prospectLeft := at(prospect)
	if end.Side == "" || end.Reason != ReasonCompleted || !repLeft || !prospectLeft {
		return end
	}
	first := gone(Rep, context.Cause(rep.Context()))
	if prospectAt.Before(repAt) {
		first = gone(Prospect, context.Cause(prospect.Context()))
	}
	return first.or(ReasonCompleted)
}
