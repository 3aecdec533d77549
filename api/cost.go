package api

import (
	"net/http"
	"regexp"
	"time"

	"tandem/bridge"
)

// Cost is what a call costs, so far or in the end.
type Cost struct {
	Currency     string `json:"currency"`
	RepLeg       string `json:"rep_leg"`
	ProspectLeg  string `json:"prospect_leg"`
	Total        string `json:"total"`
	RepRate      string `json:"rep_leg_per_minute,omitempty"`
	ProspectRate string `json:"prospect_leg_per_minute,omitempty"`
	Final        bool   `json:"final"`
}

// costJSON is nil where no leg has a rate, or was dialled.
func costJSON(r *bridge.Record, now time.Time) *Cost {
	rep, repKnown := r.Rep.Cost(now)
	prospect, prospectKnown := r.Prospect.Cost(now)
	if !repKnown && !prospectKnown {
		return nil
	}
	c := &Cost{RepLeg: rep.String(), ProspectLeg: prospect.String(), Total: (rep + prospect).String(), Final: r.Status == bridge.Ended}
	if rate := r.Prospect.Rate; rate != nil {
		c.Currency, c.ProspectRate = rate.Currency, rate.PerMinute.String()
	}
	if rate := r.Rep.Rate; rate != nil {
		c.Currency, c.RepRate = rate.Currency, rate.PerMinute.String()
	}
	return c
}

// quoteAnswer is the answer to GET /v1/quote. Amounts that are not known are null.
type quoteAnswer struct {
	Currency          *string `json:"currency"`
	RepPerMinute      *string `json:"rep_leg_per_minute"`
	ProspectPerMinute *string `json:"prospect_leg_per_minute"`
	TotalPerMinute    *string `json:"total_per_minute"`
	ConnectionFee     *string `json:"connection_fee"`
	Trunk             string  `json:"trunk"`
	CallerID          string  `json:"caller_id"`
	To                string  `json:"to_e164"`
	ToDisplay         string  `json:"to_display"`
	Region            string  `json:"region"`
}

// quoteCall is GET /v1/quote.
func (s *Server) quoteCall(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	query := r.URL.Query()
	if query.Get("rep_id") == "" || query.Get("to") == "" {
		return nil, refuse("malformed_parameter", "rep_id and to are needed.")
	}
	rep, err := s.namedRep(r.Context(), who, query.Get("rep_id"))
	if err != nil {
		return nil, err
	}
	if rep.Number == "" {
		return nil, noNumber(&rep)
	}
	request := bridge.Request{To: query.Get("to")}
	ring(&request, &rep)
	q, err := who.calls.Quote(request)
	if err != nil {
		return nil, err
	}
	a := quoteAnswer{Trunk: q.Trunk, CallerID: q.Asked.CallerID, To: q.Asked.To, ToDisplay: q.Asked.ToDisplay, Region: q.Region}
	perMinute := func(rate *bridge.Rate) *string {
		if rate == nil {
			return nil
		}
		a.Currency = &rate.Currency
		text := rate.PerMinute.String()
		return &text
	}
	a.RepPerMinute, a.ProspectPerMinute = perMinute(q.Rep), perMinute(q.Prospect)
	if q.Rep != nil && q.Prospect != nil {
		total, fee := (q.Rep.PerMinute + q.Prospect.PerMinute).String(), (q.Rep.Fee + q.Prospect.Fee).String()
		a.TotalPerMinute, a.ConnectionFee = &total, &fee
	}
	return &answer{status: 200, body: a}, nil
}

// Total is what the legs of one rep on one trunk cost in a month.
type Total struct {
	RepID         *string     `json:"rep_id"`
	Trunk         string      `json:"trunk"`
	Leg           bridge.Side `json:"leg"`
	Legs          int64       `json:"legs"`
	BilledSeconds int64       `json:"billed_seconds"`
	Currency      string      `json:"currency"`
	Cost          string      `json:"cost"`
}

var monthForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}$`)

// monthlyTotals is GET /v1/totals.
func (s *Server) monthlyTotals(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	text := r.URL.Query().Get("month")
	month, err := time.Parse("2006-01", text)
	if err != nil || !monthForm.MatchString(text) {
		return nil, refuse("malformed_parameter", "month is one like 2026-11.")
	}
	totals, err := s.Store.Totals(r.Context(), month)
	if err != nil {
		return nil, err
	}
	if who.test() {
		totals = nil // test calls cost nothing
	}
	list := struct {
		Data []Total `json:"data"`
	}{make([]Total, len(totals))}
	for i, t := range totals {
		list.Data[i] = Total{RepID: orNull(t.Rep), Trunk: t.Trunk, Leg: t.Side, Legs: t.Legs, BilledSeconds: t.Seconds, Currency: t.Currency, Cost: t.Amount.String()}
	}
	return &answer{status: 200, body: list}, nil
}
