package api

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tandem/bridge"
	"tandem/store"
)

// cdrPage is how many records are read at a time, and the most of a JSON page.
const cdrPage = 500

// CDR is one call as it is billed. It is a row of the CSV too, in this order.
type CDR struct {
	CallID             string            `json:"call_id"`
	CreatedAt          time.Time         `json:"created_at"`
	RepID              *string           `json:"rep_id"`
	RepExternalID      *string           `json:"rep_external_id"`
	RepNumber          string            `json:"rep_number"`
	To                 string            `json:"to"`
	CallerID           string            `json:"caller_id"`
	Outcome            *bridge.Outcome   `json:"outcome"`
	EndedBy            *bridge.By        `json:"ended_by"`
	RepTrunk           *string           `json:"rep_trunk"`
	RepAnsweredAt      *time.Time        `json:"rep_answered_at"`
	RepBillable        int               `json:"rep_billable_s"`
	RepCost            *string           `json:"rep_cost"`
	ProspectTrunk      *string           `json:"prospect_trunk"`
	ProspectAnsweredAt *time.Time        `json:"prospect_answered_at"`
	ProspectBillable   int               `json:"prospect_billable_s"`
	ProspectCost       *string           `json:"prospect_cost"`
	TotalCost          *string           `json:"total_cost"`
	Currency           *string           `json:"currency"`
	Talk               int               `json:"talk_s"`
	RepSIPCode         *int              `json:"rep_sip_code"`
	ProspectSIPCode    *int              `json:"prospect_sip_code"`
	RepMOS             *float64          `json:"rep_mos"`
	ProspectMOS        *float64          `json:"prospect_mos"`
	Disposition        *string           `json:"disposition"`
	Metadata           map[string]string `json:"metadata"`
}

var cdrColumns = []string{"call_id", "created_at", "rep_id", "rep_external_id", "rep_number", "to", "caller_id", "outcome", "ended_by",
	"rep_trunk", "rep_answered_at", "rep_billable_s", "rep_cost", "prospect_trunk", "prospect_answered_at", "prospect_billable_s",
	"prospect_cost", "total_cost", "currency", "talk_s", "rep_sip_code", "prospect_sip_code", "rep_mos", "prospect_mos", "disposition", "metadata_json"}

func cdrOf(r *bridge.Record, now time.Time) CDR {
	c := callJSON(r, now)
	cdr := CDR{CallID: c.ID, CreatedAt: c.CreatedAt, RepID: c.RepID, RepExternalID: c.RepExternalID, RepNumber: r.Asked.RepNumber, To: c.To, CallerID: c.CallerID,
		Outcome: c.Outcome, EndedBy: c.EndedBy, RepTrunk: orNull(r.Rep.Trunk), RepAnsweredAt: c.Legs.Rep.AnsweredAt, RepBillable: c.Legs.Rep.BillableSeconds,
		ProspectTrunk: orNull(r.Prospect.Trunk), ProspectAnsweredAt: c.Legs.Prospect.AnsweredAt, ProspectBillable: c.Legs.Prospect.BillableSeconds,
		Talk: c.TalkSeconds, Disposition: c.Disposition, Metadata: c.Metadata}
	if c.Cost != nil {
		cdr.RepCost, cdr.ProspectCost, cdr.TotalCost, cdr.Currency = &c.Cost.RepLeg, &c.Cost.ProspectLeg, &c.Cost.Total, &c.Cost.Currency
	}
	if h := c.Legs.Rep.Hangup; h != nil {
		cdr.RepSIPCode = h.SIPCode
	}
	if h := c.Legs.Prospect.Hangup; h != nil {
		cdr.ProspectSIPCode = h.SIPCode
	}
	if q := c.Legs.Rep.Quality; q != nil {
		cdr.RepMOS = q.MOS
	}
	if q := c.Legs.Prospect.Quality; q != nil {
		cdr.ProspectMOS = q.MOS
	}
	return cdr
}

// exportCDRs is GET /v1/cdrs.
func (s *Server) exportCDRs(w http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	query := r.URL.Query()
	filter := store.CallFilter{Test: who.test(), Oldest: true, Before: query.Get("cursor"), Limit: cdrPage}
	for name, at := range map[string]*time.Time{"from": &filter.CreatedAfter, "to": &filter.CreatedBefore} {
		var err error
		if *at, err = time.Parse(time.RFC3339, query.Get(name)); err != nil {
			return nil, refuse("validation_failed", "%s is needed, a time like 2026-11-23T00:00:00Z.", name).at(name)
		}
	}
	switch query.Get("format") {
	case "", "json":
	case "csv":
		return nil, s.streamCDRs(w, r, filter)
	default:
		return nil, refuse("malformed_parameter", "format is json or csv.")
	}
	records, more, err := s.Store.Calls(r.Context(), filter)
	if err != nil {
		return nil, err
	}
	p := struct {
		Data       []CDR   `json:"data"`
		NextCursor *string `json:"next_cursor"`
	}{Data: make([]CDR, len(records))}
	now := time.Now()
	for i := range records {
		p.Data[i] = cdrOf(&records[i], now)
	}
	if more {
		p.NextCursor = &p.Data[len(records)-1].CallID
	}
	return &answer{status: 200, body: p}, nil
}

// streamCDRs writes page after page, and holds one only. After the first octet
// nothing can be refused: an answer that breaks off is cut, so that no client
// takes it for whole.
func (s *Server) streamCDRs(w http.ResponseWriter, r *http.Request, filter store.CallFilter) error {
	out, control := csv.NewWriter(w), http.NewResponseController(w)
	begun := false
	for {
		records, more, err := s.Store.Calls(r.Context(), filter)
		if err != nil && !begun {
			return err
		}
		if err != nil {
			s.log.Error("api: export broken off", "err", err)
			panic(http.ErrAbortHandler)
		}
		if !begun {
			w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
			w.Header().Set("Content-Disposition", `attachment; filename="cdrs.csv"`)
			_ = out.Write(cdrColumns) // kept by the Writer: Error says it
			begun = true
		}
		if err := control.SetWriteDeadline(time.Now().Add(exportWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return nil
		}
		now := time.Now()
		for i := range records {
			cdr := cdrOf(&records[i], now)
			_ = out.Write(cdr.row())
		}
		if out.Flush(); out.Error() != nil || !more {
			return nil // done, or the client has gone
		}
		filter.Before = records[len(records)-1].ID
	}
}

// exportWithin is how long a client may take for one page of an export.
const exportWithin = 30 * time.Second

// row is the record as the CSV has it.
func (c *CDR) row() []string {
	metadata := ""
	if len(c.Metadata) > 0 {
		text, _ := json.Marshal(c.Metadata) // strings only: it cannot fail
		metadata = string(text)
	}
	at := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.Format(time.RFC3339Nano)
	}
	number := func(n *int) string {
		if n == nil {
			return ""
		}
		return strconv.Itoa(*n)
	}
	mos := func(f *float64) string {
		if f == nil {
			return ""
		}
		return strconv.FormatFloat(*f, 'f', 2, 64)
	}
	return []string{c.CallID, at(&c.CreatedAt), safe(orZero(c.RepID)), safe(orZero(c.RepExternalID)), safe(c.RepNumber), safe(c.To), safe(c.CallerID),
		string(orZero(c.Outcome)), string(orZero(c.EndedBy)), safe(orZero(c.RepTrunk)), at(c.RepAnsweredAt), strconv.Itoa(c.RepBillable), orZero(c.RepCost),
		safe(orZero(c.ProspectTrunk)), at(c.ProspectAnsweredAt), strconv.Itoa(c.ProspectBillable), orZero(c.ProspectCost), orZero(c.TotalCost), orZero(c.Currency),
		strconv.Itoa(c.Talk), number(c.RepSIPCode), number(c.ProspectSIPCode), mos(c.RepMOS), mos(c.ProspectMOS), safe(orZero(c.Disposition)), safe(metadata)}
}

// safe keeps a spreadsheet from running a text cell as a formula.
func safe(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
