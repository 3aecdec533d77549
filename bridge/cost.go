package bridge

import (
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Money is an amount in billionths of a currency's unit, so that a second at a
// tenth of a cent a minute is still exact enough to add up.
type Money int64

const moneyUnit = 1_000_000_000

// ParseMoney reads a decimal such as 0.0130; it is never negative.
func ParseMoney(text string) (Money, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	n, ok := new(big.Rat).SetString(text)
	if !ok || strings.Trim(whole+fraction, "0123456789") != "" || whole == "" {
		return 0, fmt.Errorf("%q is not an amount such as 0.0130", text)
	}
	if n.Mul(n, big.NewRat(moneyUnit, 1)); !n.IsInt() || !n.Num().IsInt64() {
		return 0, fmt.Errorf("%q has more than nine decimals, or is too large", text)
	}
	return Money(n.Num().Int64()), nil
}

// String is the amount with four decimals, halves up.
func (m Money) String() string {
	const last = moneyUnit / 10_000
	cents := (int64(m) + last/2) / last
	return fmt.Sprintf("%d.%04d", cents/10_000, cents%10_000)
}

// Rate is what a carrier asks for an answered leg.
type Rate struct {
	Currency  string        `json:"currency"` // ISO 4217
	PerMinute Money         `json:"per_minute"`
	Fee       Money         `json:"fee,omitempty"` // once, for the connection
	First     time.Duration `json:"first"`         // billed at least
	Next      time.Duration `json:"next"`          // then in steps of
}

// Billed is the time that is billed of an answered time.
func (r *Rate) Billed(answered time.Duration) time.Duration {
	switch {
	case answered <= 0:
		return 0
	case answered <= r.First:
		return r.First
	}
	steps := (answered - r.First + r.Next - 1) / r.Next
	return r.First + steps*r.Next
}

// Cost is the price of an answered time. A leg that was never answered is free.
func (r *Rate) Cost(answered time.Duration) Money {
	billed := r.Billed(answered)
	if billed == 0 {
		return 0
	}
	return r.Fee + Money(int64(r.PerMinute)*int64(billed/time.Second)/60)
}

// Answered is how long a leg was up, until now while it is.
func (l *Leg) Answered(now time.Time) time.Duration {
	switch {
	case l.AnsweredAt.IsZero():
		return 0
	case l.EndedAt.IsZero():
		return max(now.Sub(l.AnsweredAt), 1)
	}
	return max(l.EndedAt.Sub(l.AnsweredAt), 1)
}

// Cost is what a leg costs so far; known is false where it has no rate.
func (l *Leg) Cost(now time.Time) (cost Money, known bool) {
	if l.Rate == nil {
		return 0, false
	}
	return l.Rate.Cost(l.Answered(now)), true
}

// Priced reports whether anything is known of what a call costs.
func (r *Record) Priced() bool { return r.Rep.Rate != nil || r.Prospect.Rate != nil }

// Quote is what a call would be like.
type Quote struct {
	Asked    Asked
	Trunk    string // of the prospect's leg
	Rep      *Rate  // nil = not known
	Prospect *Rate
	Region   string // ISO 3166 of the prospect's number, "" = none
}

// Quote says what a call would cost, without placing it; it is refused as Start
// would refuse it.
func (b *Bridge) Quote(request Request) (Quote, error) {
	asked, err := b.Policy().parse(request)
	if err != nil {
		return Quote{}, err
	}
	routes, refused := b.ways(&asked)
	if refused != nil {
		return Quote{}, refused
	}
	rep, prospect := routes[Rep][0], routes[Prospect][0]
	return Quote{Asked: asked, Trunk: prospect.Trunk, Rep: rep.Rate, Prospect: prospect.Rate, Region: regionOf(asked.To)}, nil
}
