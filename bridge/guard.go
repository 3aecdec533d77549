package bridge

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nyaruka/phonenumbers"
)

// Past is what was done before: the store.
type Past interface {
	// Listed reports whether a number is never to be called, and why.
	Listed(ctx context.Context, number string) (listed bool, why string, err error)
	// Attempts is how often a number was dialled as a prospect since then.
	Attempts(ctx context.Context, number string, since time.Time) (int, error)
	// Voicemail is after how long of ringing a rep's voicemail picked up, the
	// soonest that is known of; 0 = nothing is.
	Voicemail(ctx context.Context, number string) (time.Duration, error)
	// Spent is what the ended calls of a trunk cost on a day, UTC.
	Spent(ctx context.Context, trunk string, day time.Time) (Money, error)
}

// askWithin is the longest that a call waits to learn of the past.
const askWithin = 2 * time.Second

// forbidden asks whether a call may be dialled now, by every rule there is: at
// its start, and again before the prospect.
func (b *Bridge) forbidden(asked *Asked, routes map[Side][]Route) *Refusal {
	p := b.Policy()
	if refused := p.check(*asked); refused != nil {
		return refused
	}
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	now := time.Now()
	if asked.Kind == PassThrough {
		if refused := p.Window.open(asked, now); refused != nil {
			return refused
		}
		if refused := p.prospect(ctx, asked.To, now); refused != nil {
			return refused
		}
	}
	for _, side := range asked.sides() {
		if refused := b.affordable(ctx, p, routes[side][0].Trunk, now); refused != nil {
			return refused
		}
	}
	return nil
}

// prospect asks what is known of a prospect's number. What cannot be looked up
// is not dialled.
func (p *Policy) prospect(ctx context.Context, number string, now time.Time) *Refusal {
	if p.Past == nil {
		return nil
	}
	listed, why, err := p.Past.Listed(ctx, number)
	if err != nil {
		return unknown("the do-not-call list")
	}
	if listed {
		if why != "" {
			why = " (" + why + ")"
		}
		return &Refusal{Code: CodeDoNotCall, Field: "to", Detail: "The number is on the do-not-call list" + why + "."}
	}
	if p.Attempts == 0 {
		return nil
	}
	n, err := p.Past.Attempts(ctx, number, now.Add(-p.AttemptsWithin))
	if err != nil {
		return unknown("earlier attempts")
	}
	if n >= p.Attempts {
		return &Refusal{Code: CodeAttempts, Field: "to", Detail: fmt.Sprintf("The number was dialled %d times within %v.", n, p.AttemptsWithin), RetryAfter: p.AttemptsWithin}
	}
	return nil
}

func unknown(what string) *Refusal {
	return &Refusal{Code: CodeStoreUnavailable, Detail: "The store could not say what it knows of " + what + ", so nothing was dialled. Try again.", RetryAfter: time.Second}
}

// affordable asks whether a trunk's money for the day is spent, calls that are up
// counted as they stand.
func (b *Bridge) affordable(ctx context.Context, p *Policy, trunk string, now time.Time) *Refusal {
	limit, limited := p.DailySpend[trunk]
	if !limited || p.Past == nil {
		return nil
	}
	spent, err := p.Past.Spent(ctx, trunk, now)
	if err != nil {
		return unknown("what was spent")
	}
	b.mu.Lock()
	calls := make([]*call, 0, len(b.calls))
	for _, c := range b.calls {
		calls = append(calls, c)
	}
	b.mu.Unlock()
	for _, c := range calls {
		record := c.get()
		for _, leg := range []*Leg{&record.Rep, &record.Prospect} {
			if cost, known := leg.Cost(now); known && leg.Trunk == trunk {
				spent += cost
			}
		}
	}
	if spent < limit {
		return nil
	}
	midnight := now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	return &Refusal{Code: CodeSpendLimit, Detail: fmt.Sprintf("The calls of trunk %s cost %s today; %s is its limit, until midnight UTC.", trunk, spent, limit),
		RetryAfter: midnight.Sub(now), NextAllowed: midnight}
}

// kind refuses numbers for what they are: premium, or of a country that is not
// called. A prefix of Allow that says more than the country means premium
// numbers where it has them.
func (p *Policy) kind(field, number, prefix string) *Refusal {
	n, err := phonenumbers.Parse(number, "")
	if err != nil {
		return nil // read once already
	}
	named := len(prefix) > len("+")+len(strconv.Itoa(int(n.GetCountryCode())))
	if !p.Premium && !named && phonenumbers.GetNumberType(n) == phonenumbers.PREMIUM_RATE {
		return &Refusal{Code: CodePremium, Field: field, Detail: "Premium-rate numbers are not dialled."}
	}
	if region := phonenumbers.GetRegionCodeForNumber(n); len(p.Countries) > 0 && !slices.Contains(p.Countries, region) {
		return &Refusal{Code: CodeCountry, Field: field, Detail: fmt.Sprintf("Only numbers of %v are dialled.", p.Countries)}
	}
	return nil
}

// quota is how many calls somebody may place within a time; zero = any number.
type quota struct {
	who    string
	most   int
	within time.Duration
}

// quotas are those that a call counts against.
func (p *Policy) quotas(asked *Asked) []quota {
	rep := asked.RepID
	if rep == "" {
		rep = asked.RepNumber
	}
	return []quota{{"rep " + rep, p.RepPerHour, time.Hour}, {"key " + asked.Key, p.KeyPerMinute, time.Minute}}
}

// count takes one call of every quota, or says how long until it may; b.mu is held.
func (b *Bridge) count(quotas []quota, now time.Time) *Refusal {
	for _, q := range quotas {
		if q.most == 0 {
			continue
		}
		past := b.placed[q.who]
		for len(past) > 0 && now.Sub(past[0]) >= q.within {
			past = past[1:]
		}
		if b.placed[q.who] = past; len(past) == 0 {
			delete(b.placed, q.who)
		} else if len(past) >= q.most {
			return &Refusal{Code: CodeRateLimited, Detail: fmt.Sprintf("The %s placed %d calls within %v.", q.who, len(past), q.within), RetryAfter: q.within - now.Sub(past[0])}
		}
	}
	for _, q := range quotas {
		if q.most > 0 {
			b.placed[q.who] = append(b.placed[q.who], now)
		}
	}
	return nil
}

// double finds the call that a double click asked for already; b.mu is held.
func (b *Bridge) double(c *call, now time.Time) *Refusal {
	for _, rep := range c.asked.reps() {
		first := b.calls[b.reps[rep]]
		if first == nil || c.keyed || c.Limits.Double == 0 {
			continue
		}
		a, z := &first.asked, &c.asked
		if now.Sub(first.placedAt) < c.Limits.Double && a.Key == z.Key && a.Kind == z.Kind && a.RepNumber == z.RepNumber && a.RepID == z.RepID && a.To == z.To && a.Extension == z.Extension {
			return &Refusal{Code: CodeDuplicate, Detail: "The same call was asked for a moment ago.", ActiveCall: first.id}
		}
	}
	return nil
}
