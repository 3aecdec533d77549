package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tandem/bridge"
	"tandem/store"
)

// createCall is POST /v1/calls.
func (s *Server) createCall(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	data, refused := body(r, jsonKinds...)
	if refused != nil {
		return nil, refused
	}
	idempotency := r.Header.Get("Idempotency-Key")
	if len(idempotency) > 255 {
		return nil, refuse("malformed_parameter", "The Idempotency-Key has more than 255 characters.")
	}
	if idempotency == "" {
		return s.startCall(r.Context(), data, who, "")
	}
	sum := sha256.Sum256(data)
	return s.once(r.Context(), store.Claim{
		Scope: who.id + " POST /v1/calls", Key: idempotency,
		BodyHash: hex.EncodeToString(sum[:]), CallID: bridge.NewID("call"),
	}, func(id string) (*answer, error) { return s.startCall(r.Context(), data, who, id) })
}

// startCall asks the bridge for a call; id is its id, "" = a new one.
func (s *Server) startCall(ctx context.Context, data []byte, who *caller, id string) (*answer, error) {
	var wanted callCreate
	if refused := decodeValid(data, &wanted); refused != nil {
		return nil, refused
	}
	if wanted.RepNumber == nil {
		return nil, refuse("not_found", "No rep has this id. Name the phone to ring with rep_number.")
	}
	if !who.allows("calls:any_rep") {
		return nil, refuse("insufficient_scope", "To ring a rep_number, the key %q needs the scope calls:any_rep.", who.name)
	}
	request := wanted.request(who.id)
	request.ID = id
	// A client that goes away must not leave half a call behind.
	record, err := s.Calls.Start(context.WithoutCancel(ctx), request)
	if err != nil {
		p := explain(err)
		s.Metrics.rejected(p.Code)
		return nil, p
	}
	return created(&record), nil
}

func created(record *bridge.Record) *answer {
	return &answer{status: 201, header: map[string]string{"Location": "/v1/calls/" + record.ID}, body: callJSON(record, time.Now())}
}

// find reads a call as it is kept.
func (s *Server) find(r *http.Request) (bridge.Record, error) {
	record, err := s.Store.Call(r.Context(), r.PathValue("call_id"))
	if errors.Is(err, store.ErrNotFound) {
		return record, refuse("not_found", "No call has this id.")
	}
	return record, err
}

// getCall is GET /v1/calls/{call_id}, which may wait for a status.
func (s *Server) getCall(_ http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
	want := bridge.Status(r.URL.Query().Get("wait"))
	if want != "" && want != bridge.InProgress && want != bridge.Ended {
		return nil, refuse("malformed_parameter", "wait is in_progress or ended.")
	}
	patience, err := integer(r, "timeout_s", 25, 1, 60)
	if err != nil {
		return nil, err
	}
	timeout := time.NewTimer(time.Duration(patience) * time.Second)
	defer timeout.Stop()
	for {
		changed := s.Store.Changed()
		record, err := s.find(r)
		if err != nil {
			return nil, err
		}
		reached := want == "" || record.Status == bridge.Ended || record.Status == want
		if !reached {
			select {
			case <-changed:
				continue
			case <-timeout.C:
			case <-r.Context().Done():
			case <-s.life.Done():
			}
		}
		return &answer{status: 200, body: callJSON(&record, time.Now())}, nil
	}
}

// integer reads a whole number from the query.
func integer(r *http.Request, name string, otherwise, low, high int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, refuse("malformed_parameter", "%s is a number from %d to %d.", name, low, high)
	}
	return n, nil
}

// page is one page of a list.
type page struct {
	Data       []Call  `json:"data"`
	NextCursor *string `json:"next_cursor"`
}

// listCalls is GET /v1/calls.
func (s *Server) listCalls(_ http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
	filter, err := callFilter(r)
	if err != nil {
		return nil, err
	}
	records, more, err := s.Store.Calls(r.Context(), filter)
	if err != nil {
		return nil, err
	}
	p, now := page{Data: make([]Call, len(records))}, time.Now()
	for i := range records {
		p.Data[i] = callJSON(&records[i], now)
	}
	if more {
		p.NextCursor = &p.Data[len(p.Data)-1].ID
	}
	return &answer{status: 200, body: p}, nil
}

func callFilter(r *http.Request) (store.CallFilter, error) {
	query := r.URL.Query()
	f := store.CallFilter{Status: bridge.Status(query.Get("status")), Outcome: bridge.Outcome(query.Get("outcome")), Before: query.Get("cursor")}
	var err error
	if f.Limit, err = integer(r, "limit", 50, 1, 200); err != nil {
		return f, err
	}
	if !contains(bridge.Statuses, f.Status) {
		return f, refuse("malformed_parameter", "status %q is none; see /openapi.json.", f.Status)
	}
	if !contains(bridge.Outcomes, f.Outcome) {
		return f, refuse("malformed_parameter", "outcome %q is none; see /openapi.json.", f.Outcome)
	}
	for name, at := range map[string]*time.Time{"created_after": &f.CreatedAfter, "created_before": &f.CreatedBefore} {
		if text := query.Get(name); text != "" {
			if *at, err = time.Parse(time.RFC3339, text); err != nil {
				return f, refuse("malformed_parameter", "%s is a time like 2026-11-23T09:42:11Z.", name)
			}
		}
	}
	for name, values := range query {
		if inner, ok := strings.CutPrefix(name, "metadata["); ok && strings.HasSuffix(inner, "]") {
			if f.Metadata == nil {
				f.Metadata = make(map[string]string)
			}
			f.Metadata[strings.TrimSuffix(inner, "]")] = values[0]
		}
	}
	return f, nil
}

// contains reports whether v is nothing or one of all.
func contains[T ~string](all []T, v T) bool {
	for _, each := range all {
		if v == each {
			return true
		}
	}
	return v == ""
}

// act does something to a live call; one that is not up is shown as it ended.
func (s *Server) act(r *http.Request, do func(id string) (bridge.Record, error)) (*answer, error) {
	record, err := do(r.PathValue("call_id"))
	var refused *bridge.Refusal
	if errors.As(err, &refused) && refused.Code == bridge.CodeNotFound {
		record, err = s.find(r)
	}
	if err != nil {
		return nil, err
	}
	return &answer{status: 200, body: callJSON(&record, time.Now())}, nil
}

// hangupCall is POST /v1/calls/{call_id}/hangup; it may be repeated.
func (s *Server) hangupCall(_ http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
	return s.act(r, s.Calls.Hangup)
}

// confirmCall is POST /v1/calls/{call_id}/confirm.
func (s *Server) confirmCall(_ http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
	a, err := s.act(r, s.Calls.Confirm)
	if err == nil && a.body.(Call).Status == bridge.Ended {
		return nil, refuse("call_already_ended", "There is nothing to confirm any more.")
	}
	return a, err
}

// sendDigits is POST /v1/calls/{call_id}/dtmf.
func (s *Server) sendDigits(_ http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
	var wanted digitsBody
	if refused := read(r, &wanted, jsonKinds); refused != nil {
		return nil, refused
	}
	err := s.Calls.SendDigits(r.PathValue("call_id"), *wanted.Digits)
	var gone *bridge.Refusal
	if errors.As(err, &gone) && gone.Code == bridge.CodeNotFound {
		if _, missing := s.find(r); missing != nil {
			return nil, missing
		}
		return nil, refuse("call_already_ended", "Nobody is there to hear digits.")
	}
	if err != nil {
		return nil, err
	}
	return &answer{status: 202}, nil
}

// updateCall is PATCH /v1/calls/{call_id}.
func (s *Server) updateCall(_ http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
	var wanted callPatch
	if refused := read(r, &wanted, mergeKinds); refused != nil {
		return nil, refused
	}
	id, patch := r.PathValue("call_id"), wanted.patch()
	record, err := s.Calls.Annotate(r.Context(), id, patch)
	var gone *bridge.Refusal
	if errors.As(err, &gone) && gone.Code == bridge.CodeNotFound {
		record, err = s.Store.Annotate(r.Context(), id, patch)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, refuse("not_found", "No call has this id.")
	case errors.Is(err, store.ErrLive):
		return nil, refuse("wrong_call_state", "The call is ending just now. Try again.").after(time.Second)
	case err != nil:
		return nil, err
	}
	return &answer{status: 200, body: callJSON(&record, time.Now())}, nil
}
