package api

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tandem/store"
)

const (
	maxBarred     = 10_000  // numbers of one request
	maxBarredBody = 1 << 20 // octets
)

// BarredNumber is a number that is never called.
type BarredNumber struct {
	Number  string    `json:"number"`
	Reason  *string   `json:"reason"`
	AddedAt time.Time `json:"added_at"`
}

// listDoNotCall is GET /v1/do-not-call.
func (s *Server) listDoNotCall(_ http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
	limit, err := integer(r, "limit", 50, 1, 200)
	if err != nil {
		return nil, err
	}
	list, more, err := s.Store.BarredNumbers(r.Context(), r.URL.Query().Get("cursor"), limit)
	if err != nil {
		return nil, err
	}
	p := struct {
		Data       []BarredNumber `json:"data"`
		NextCursor *string        `json:"next_cursor"`
	}{Data: make([]BarredNumber, len(list))}
	for i, b := range list {
		p.Data[i] = BarredNumber{b.Number, orNull(b.Reason), *moment(b.AddedAt)}
	}
	if more {
		p.NextCursor = &list[limit-1].Number
	}
	return &answer{status: 200, body: p}, nil
}

// barBody is the JSON of POST /v1/do-not-call.
type barBody struct {
	Numbers []string `json:"numbers"`
	Reason  *string  `json:"reason"`
}

func (b *barBody) validate() *problem {
	var f faults
	if b.Numbers == nil || len(b.Numbers) > maxBarred {
		f.add("numbers", "It is a list of at most %d numbers.", maxBarred)
	}
	f.text("reason", b.Reason, 200)
	return f.problem()
}

// addDoNotCall is POST /v1/do-not-call: JSON, or a CSV whose first column is the
// number, with or without a line that names it.
func (s *Server) addDoNotCall(_ http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
	var wanted barBody
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	data, refused := bodyUpTo(r, maxBarredBody, append([]string{"application/json", "text/csv"}, jsonKinds...)...)
	if refused != nil {
		return nil, refused
	}
	if kind == "text/csv" {
		wanted.Numbers, refused = firstColumn(data)
	} else {
		refused = decode(data, &wanted)
	}
	if refused == nil {
		refused = wanted.validate()
	}
	if refused != nil {
		return nil, refused
	}
	result := struct {
		Added   int64   `json:"added"`
		Known   int64   `json:"already_listed"`
		Refused []fault `json:"refused"`
	}{Refused: []fault{}}
	var numbers []string
	for i, text := range wanted.Numbers {
		if n, err := s.Calls.Number("numbers", text, ""); err == nil {
			numbers = append(numbers, n.E164)
		} else {
			p := explain(err)
			result.Refused = append(result.Refused, fault{Pointer: "#/numbers/" + strconv.Itoa(i), Code: p.Code, Detail: p.Detail})
		}
	}
	added, err := s.Store.Bar(r.Context(), numbers, orZero(wanted.Reason))
	if err != nil {
		return nil, err
	}
	result.Added, result.Known = added, int64(len(numbers))-added
	return &answer{status: 200, body: result}, nil
}

// firstColumn reads the numbers of a CSV.
func firstColumn(data []byte) (numbers []string, refused *problem) {
	if !utf8.Valid(data) {
		return nil, refuse("validation_failed", "The CSV is not UTF-8.")
	}
	lines := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(data), "\ufeff")))
	lines.FieldsPerRecord = -1
	for {
		row, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return numbers, nil
		}
		if err != nil {
			return nil, refuse("validation_failed", "The CSV cannot be read: %s.", err.Error())
		}
		if cell := strings.TrimSpace(row[0]); cell != "" && (numbers != nil || strings.ContainsAny(cell, "0123456789")) {
			numbers = append(numbers, strings.TrimPrefix(cell, "'")) // as our own exports write them
		} else if numbers == nil {
			numbers = []string{} // the line that names the columns
		}
		if len(numbers) > maxBarred {
			return nil, refuse("too_large", "More than %d numbers: send them in parts.", maxBarred)
		}
	}
}

// removeDoNotCall is DELETE /v1/do-not-call/{number}.
func (s *Server) removeDoNotCall(_ http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
	n, err := s.Calls.Number("number", r.PathValue("number"), "")
	if err == nil {
		err = s.Store.Unbar(r.Context(), n.E164)
	}
	if err != nil {
		if errors.Is(err, store.ErrNotFound) || explain(err).Status == http.StatusUnprocessableEntity {
			return nil, refuse("not_found", fmt.Sprintf("%q is not on the list.", r.PathValue("number")))
		}
		return nil, err
	}
	return &answer{status: 204}, nil
}
