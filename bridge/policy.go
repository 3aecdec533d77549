package bridge

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Policy says who may be dialled. It is asked before any SIP, and again before
// the prospect's leg.
type Policy struct {
	Region    string   // ISO 3166, for numbers written without +
	Allow     []string // prefixes of E.164 numbers that may be dialled; nothing else is
	Deny      []string // prefixes that may not, though allowed
	OwnNumber []string // the trunks' own numbers: dialling them would come back to us
	Desks     []string // hosts whose SIP URIs may be reps' phones

	Countries      []string         // ISO 3166, whose numbers may be dialled; none = all that Allow has
	Premium        bool             // premium-rate numbers may be dialled
	Window         Window           // when prospects may be called, by their clock
	Attempts       int              // to one prospect within AttemptsWithin; 0 = any number
	AttemptsWithin time.Duration    //
	RepPerHour     int              // calls of one rep; 0 = any number
	KeyPerMinute   int              // calls by one API key, likewise
	DailySpend     map[string]Money // by trunk, on a day in UTC
	Past           Past             // nil = nothing is known of it
}

// parse makes of a Request what the call keeps.
func (p *Policy) parse(r Request) (Asked, error) {
	asked := Asked{Kind: r.Kind, Source: r.Source, Key: r.Key, RepID: r.RepID, RepExternal: r.RepExternal,
		ContactName: r.ContactName, TimeZone: r.TimeZone, Test: r.Test, MaxDuration: r.MaxDuration, Metadata: r.Metadata, Traceparent: r.Traceparent}
	if asked.Kind == "" {
		asked.Kind = PassThrough
	}
	if asked.Source == "" {
		asked.Source = FromAPI
	}
	p = p.in(r.Region)
	rep, refused := p.parseRep("rep_number", r.RepNumber)
	if refused != nil {
		return Asked{}, refused
	}
	asked.RepNumber, asked.RepExtension = rep.E164, rep.Extension
	if asked.Kind == Verification { // the rep's own phone is all that rings
		asked.To, asked.ToDisplay, asked.Extension = rep.E164, rep.Display, rep.Extension
	} else if asked.To, asked.ToDisplay, asked.Extension, refused = p.parseNumber("to", r.To); refused != nil {
		return Asked{}, refused
	}
	if r.CallerID != "" {
		var after string
		if asked.CallerID, _, after, refused = p.parseNumber("caller_id", r.CallerID); refused != nil {
			return Asked{}, refused
		}
		if after != "" {
			return Asked{}, &Refusal{Code: CodeInvalidNumber, Field: "caller_id", Detail: "A caller id has no extension."}
		}
	}
	if refused := p.check(asked); refused != nil {
		return Asked{}, refused
	}
	return asked, nil
}

// in is the Policy for somebody in a region; "" = its own.
func (p *Policy) in(region string) *Policy {
	if region == "" || region == p.Region {
		return p
	}
	local := *p
	local.Region = region
	return &local
}

// check asks whether both numbers may be dialled, as the rules stand now.
func (p *Policy) check(asked Asked) *Refusal {
	if asked.RepNumber == asked.To && asked.Kind != Verification {
		return &Refusal{Code: CodeSameNumber, Field: "to", Detail: "The rep and the prospect have the same number."}
	}
	if refused := p.mayRep("rep_number", asked.RepNumber); refused != nil || asked.Kind == Verification {
		return refused
	}
	return p.may("to", asked.To)
}

// mayRep asks for the phone of a rep.
func (p *Policy) mayRep(field, number string) *Refusal {
	if IsDesk(number) {
		return p.mayRing(field, number)
	}
	return p.may(field, number)
}

// may asks for one number.
func (p *Policy) may(field, number string) *Refusal {
	prefix, allowed := longest(p.Allow, number)
	denied, forbidden := longest(p.Deny, number)
	switch {
	case p.emergency(number):
		return &Refusal{Code: CodeEmergency, Field: field, Detail: "Emergency numbers are never dialled from here. Call them from a telephone."}
	case slices.Contains(p.OwnNumber, number):
		return &Refusal{Code: CodeDestinationForbidden, Field: field, Detail: "The number is one of the trunks' own caller ids, so the call would loop."}
	case !allowed:
		return &Refusal{Code: CodeDestinationForbidden, Field: field, Detail: "No prefix in numbers.allow covers the number. Allowed are: " + strings.Join(p.Allow, ", ") + "."}
	case forbidden && len(denied) >= len(prefix):
		return &Refusal{Code: CodeDestinationForbidden, Field: field, Detail: fmt.Sprintf("The prefix %s is in numbers.deny.", denied)}
	}
	return p.kind(field, number, prefix)
}

// longest finds the longest prefix of number.
func longest(prefixes []string, number string) (prefix string, found bool) {
	for _, p := range prefixes {
		if strings.HasPrefix(number, p) && len(p) >= len(prefix) {
			prefix, found = p, true
		}
	}
	return prefix, found
}

// ways are the trunks of both legs, and settle the caller id. A verification
// rings the rep alone, and any number of ours will do.
func (b *Bridge) ways(asked *Asked) (map[Side][]Route, *Refusal) {
	noTrunk := &Refusal{Code: CodeNoTrunk, Detail: "No routing rule has a trunk for this number. See routing in tandem.yaml."}
	rep := b.Route(Rep, asked.RepNumber)
	if len(rep) == 0 {
		return nil, noTrunk
	}
	if asked.Kind == Verification {
		if ours := append(slices.Clone(rep[0].CallerIDs), b.Policy().OwnNumber...); asked.CallerID == "" && len(ours) > 0 {
			asked.CallerID = ours[0]
		}
		return map[Side][]Route{Rep: rep, Prospect: rep}, nil
	}
	prospect := b.Route(Prospect, asked.To)
	if len(prospect) == 0 {
		return nil, noTrunk
	}
	prospect, refused := own(prospect, asked)
	if refused != nil {
		return nil, refused
	}
	return map[Side][]Route{Rep: rep, Prospect: prospect}, nil
}

// show picks the number a leg's far end sees: the one asked for where its trunk
// owns it, else the trunk's first.
func (r *Route) show(asked string) string {
	if len(r.CallerIDs) == 0 || slices.Contains(r.CallerIDs, asked) {
		return asked
	}
	return r.CallerIDs[0]
}

// own settles the caller id that the prospect is to see, and leaves out the
// trunks that may not show one that was asked for.
func own(routes []Route, asked *Asked) ([]Route, *Refusal) {
	first := routes[0]
	if asked.CallerID == "" {
		if len(first.CallerIDs) == 0 {
			return nil, &Refusal{Code: CodeCallerIDNotAllowed, Field: "caller_id", Detail: "The trunk has no caller_ids, so the call must say which to show."}
		}
		asked.CallerID = first.CallerIDs[0]
		return routes, nil
	}
	var able []Route
	for _, r := range routes {
		if len(r.CallerIDs) == 0 || slices.Contains(r.CallerIDs, asked.CallerID) {
			able = append(able, r)
		}
	}
	if len(able) == 0 {
		return nil, &Refusal{Code: CodeCallerIDNotAllowed, Field: "caller_id",
			Detail: fmt.Sprintf("The trunk %s may show %s only.", first.Trunk, strings.Join(first.CallerIDs, ", "))}
	}
	return able, nil
}
