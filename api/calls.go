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
	key, refused := idempotencyKey(r)
	if refused != nil {
		return nil, refused
	}
	if key == "" {
		return s.startCall(r.Context(), data, who, "")
	}
	sum := sha256.Sum256(data)
	return s.once(r.Context(), store.Claim{
		Scope: who.id + " POST /v1/calls", Key: key,
		BodyHash: hex.EncodeToString(sum[:]), CallID: bridge.NewID("call"),
	}, func(id string) (*answer, error) { return s.startCall(r.Context(), data, who, id) }, s.createdBefore)
}

// createdBefore is the answer to a request whose call was placed by a process
// that died before it could say so.
func (s *Server) createdBefore(ctx context.Context, id string) (*answer, error) {
	record, err := s.Store.Call(ctx, id)
	if err != nil {
		return nil, err
	}
	return created(&record), nil
}

// startCall asks the bridge for a call; id is its id, "" = a new one.
func (s *Server) startCall(ctx context.Context, data []byte, who *caller, id string) (*answer, error) {
	var wanted callCreate
	if refused := decodeValid(data, &wanted); refused != nil {
		return nil, refused
	}
	request := wanted.request()
	request.ID = id
	var err error
	switch {
	case wanted.RepID != nil:
		err = s.callRep(ctx, &request, *wanted.RepID, who)
	case wanted.RepExternalID != nil:
		err = s.callRep(ctx, &request, "ext:"+*wanted.RepExternalID, who)
	case who.rep != nil:
		err = refuse("insufficient_scope", "A rep's session calls from the rep's own phone: name it with rep_id.")
	case !who.allows("calls:any_rep"):
		err = refuse("insufficient_scope", "To ring a rep_number, the key %q needs the scope calls:any_rep.", who.name)
	}
	if err != nil {
		return nil, s.rejected(err)
	}
	return s.start(ctx, request, who)
}

// rejected counts a call that was refused.
func (s *Server) rejected(err error) error {
	p := explain(err)
	s.Metrics.rejected(p.Code)
	return err
}

// start places a call for whoever asks.
func (s *Server) start(ctx context.Context, request bridge.Request, who *caller) (*answer, error) {
	request.Key, request.Test, request.Traceparent = who.id, who.test(), who.traceparent
	if who.rep != nil && request.Source == "" {
		request.Source = bridge.FromPage
	}
	// A client that goes away must not leave half a call behind.
	record, err := who.calls.Start(context.WithoutCancel(ctx), request)
	var refused *bridge.Refusal
	if errors.As(err, &refused) && refused.Code == bridge.CodeDuplicate {
		return s.twice(ctx, refused.ActiveCall)
	}
	if err != nil {
		return nil, s.rejected(err)
	}
	return created(&record), nil
}

// twice is the answer to a double click: the call of the first.
func (s *Server) twice(ctx context.Context, id string) (*answer, error) {
	record, err := s.Store.Call(ctx, id)
	if err != nil {
		return nil, err
	}
	a := created(&record)
	a.status, a.header["Idempotency-Replayed"] = 200, "true"
	s.Metrics.replayed()
	return a, nil
}

func created(record *bridge.Record) *answer {
	return &answer{status: 201, header: map[string]string{"Location": "/v1/calls/" + record.ID}, body: callJSON(record, time.Now())}
}

// find reads a call as it is kept, where whoever asks may see it.
func (s *Server) find(r *http.Request, who *caller) (bridge.Record, error) {
	record, err := s.Store.Call(r.Context(), r.PathValue("call_id"))
	if errors.Is(err, store.ErrNotFound) || err == nil && !who.sees(&record) {
		return record, refuse("not_found", "No call has this id.")
	}
	return record, err
}

// getCall is GET /v1/calls/{call_id}, which may wait for a status.
func (s *Server) getCall(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	want := bridge.Status(r.URL.Query().Get("wait"))
	if want != "" && want != bridge.InProgress && want != bridge.Ended {
		return nil, refuse("malformed_parameter", "wait is in_progress or ended.")
	}
	patience, err := integer(r, "timeout_s", 25, 1, 60)
	if err != nil {
		return nil, err
	}
	record, err := s.find(r, who)
	if err == nil && want != "" && record.Status != want {
		record, err = s.await(r, who, want, time.Duration(patience)*time.Second)
	}
	if err != nil {
		return nil, err
	}
	return &answer{status: 200, body: callJSON(&record, time.Now())}, nil
}

// await is find, once the call has a status, or has ended, or patience has.
func (s *Server) await(r *http.Request, who *caller, want bridge.Status, patience time.Duration) (bridge.Record, error) {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	news, err := s.feed.join(r.Context(), store.EventFilter{Test: who.test(), Call: r.PathValue("call_id")})
	if err != nil {
		return bridge.Record{}, err
	}
	defer s.feed.leave(news)
	for {
		record, err := s.find(r, who)
		if err != nil || record.Status == bridge.Ended || record.Status == want {
			return record, err
		}
		select {
		case <-news.wake:
			continue
		case <-timeout.C:
		case <-r.Context().Done():
		case <-s.life.Done():
		}
		return record, nil
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
func (s *Server) listCalls(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	filter, err := callFilter(r, who)
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

func callFilter(r *http.Request, who *caller) (store.CallFilter, error) {
	query := r.URL.Query()
	f := store.CallFilter{Status: bridge.Status(query.Get("status")), Outcome: bridge.Outcome(query.Get("outcome")), Before: query.Get("cursor"),
		Test: who.test(), Rep: query.Get("rep_id")}
	if who.rep != nil {
		f.Rep = who.rep.ID
	}
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
func (s *Server) act(r *http.Request, who *caller, do func(id string) (bridge.Record, error)) (*answer, error) {
	record, err := s.find(r, who)
	if err == nil && record.Status != bridge.Ended {
		live, gone := do(record.ID)
		var refused *bridge.Refusal
		if !errors.As(gone, &refused) || refused.Code != bridge.CodeNotFound {
			record, err = live, gone
		} else {
			record, err = s.find(r, who)
		}
	}
	if err != nil {
		return nil, err
	}
	return &answer{status: 200, body: callJSON(&record, time.Now())}, nil
}

// hangupCall is POST /v1/calls/{call_id}/hangup; it may be repeated.
func (s *Server) hangupCall(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	return s.act(r, who, func(id string) (bridge.Record, error) { return who.calls.End(id, who.by()) })
}

// confirmCall is POST /v1/calls/{call_id}/confirm.
func (s *Server) confirmCall(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	a, err := s.act(r, who, who.calls.Confirm)
	if err == nil && a.body.(Call).Status == bridge.Ended {
		return nil, refuse("call_already_ended", "There is nothing to confirm any more.")
	}
	return a, err
}

// sendDigits is POST /v1/calls/{call_id}/dtmf.
func (s *Server) sendDigits(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	var wanted digitsBody
	if refused := read(r, &wanted, jsonKinds); refused != nil {
		return nil, refused
	}
	record, err := s.find(r, who)
	if err != nil {
		return nil, err
	}
	err = who.calls.SendDigits(record.ID, *wanted.Digits)
	var gone *bridge.Refusal
	if errors.As(err, &gone) && gone.Code == bridge.CodeNotFound {
		return nil, refuse("call_already_ended", "Nobody is there to hear digits.")
	}
	if err != nil {
		return nil, err
	}
	return &answer{status: 202}, nil
}

// updateCall is PATCH /v1/calls/{call_id}.
func (s *Server) updateCall(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	record, err := s.find(r, who)
	if err != nil {
		return nil, err
	}
	var wanted callPatch
	if refused := read(r, &wanted, mergeKinds); refused != nil {
		return nil, refused
	}
	patch := wanted.patch()
	record, err = who.calls.Annotate(r.Context(), r.PathValue("call_id"), patch)
	var gone *bridge.Refusal
	if errors.As(err, &gone) && gone.Code == bridge.CodeNotFound {
		record, err = s.Store.Annotate(r.Context(), r.PathValue("call_id"), patch)
	}
	switch {
	case errors.Is(err, store.ErrLive):
		return nil, refuse("wrong_call_state", "The call is ending just now. Try again.").after(time.Second)
	case err != nil:
		return nil, err
	}
	return &answer{status: 200, body: callJSON(&record, time.Now())}, nil
}
