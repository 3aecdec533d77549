package api

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"tandem/store"
)

// rotateLife is how long a secret that was replaced signs as well.
const rotateLife = 24 * time.Hour

// WebhookEndpoint is an endpoint as the CRM sees it.
type WebhookEndpoint struct {
	ID             string    `json:"id"`
	Object         string    `json:"object"`
	URL            string    `json:"url"`
	Types          []string  `json:"types"`
	Scheme         string    `json:"scheme"`
	Enabled        bool      `json:"enabled"`
	Secret         string    `json:"secret,omitempty"` // when it is new
	PublicKey      *string   `json:"public_key"`
	DisabledReason *string   `json:"disabled_reason"`
	CreatedAt      time.Time `json:"created_at"`
}

func endpointJSON(e *store.Endpoint) WebhookEndpoint {
	shown := WebhookEndpoint{ID: e.ID, Object: "webhook_endpoint", URL: e.URL, Types: e.Types, Scheme: e.Scheme,
		Enabled: e.Disabled == "", DisabledReason: orNull(e.Disabled), CreatedAt: *moment(e.CreatedAt)}
	if e.Secret != nil {
		shown.PublicKey = orNull(publicKey(e))
	}
	if shown.Types == nil {
		shown.Types = []string{}
	}
	return shown
}

// endpointWrite is the body of POST and PATCH of an endpoint.
type endpointWrite struct {
	URL     *string  `json:"url"`
	Types   []string `json:"types"`
	Scheme  *string  `json:"scheme"`
	Enabled *bool    `json:"enabled"`
}

var eventTypeForm = regexp.MustCompile(`^[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)*(\.\*)?$|^\*$`)

func (e *endpointWrite) validate() *problem {
	var f faults
	f.text("url", e.URL, 2000)
	if len(e.Types) > 50 {
		f.add("types", "There are more than 50.")
	}
	for i, t := range e.Types {
		if !eventTypeForm.MatchString(t) || len(t) > 64 {
			f.add("types/"+strconv.Itoa(i), "It is no type of event; write call.ended, or call.* for all of a kind.")
		}
	}
	if e.Scheme != nil && *e.Scheme != "v1" && *e.Scheme != "v1a" {
		f.add("scheme", "It must be v1 or v1a.")
	}
	return f.problem()
}

// apply makes the changes that were asked for.
func (s *Server) apply(w *endpointWrite, e *store.Endpoint) error {
	if w.URL != nil {
		if refused := checkURL(*w.URL, s.PrivateHooks); refused != nil {
			return refused
		}
		e.URL = *w.URL
	}
	if w.Types != nil {
		e.Types = w.Types
	}
	if w.Scheme != nil && *w.Scheme != e.Scheme {
		e.Scheme = *w.Scheme
		e.OldSecret, e.OldUntil = nil, time.Time{}
	}
	if w.Enabled != nil && *w.Enabled {
		e.Disabled, e.FailingSince = "", time.Time{}
	} else if w.Enabled != nil && e.Disabled == "" {
		e.Disabled = store.DisabledByHand
	}
	return nil
}

// listEndpoints is GET /v1/webhook-endpoints.
func (s *Server) listEndpoints(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	all, err := s.Store.Endpoints(r.Context())
	if err != nil {
		return nil, err
	}
	list := struct {
		Data []WebhookEndpoint `json:"data"`
	}{[]WebhookEndpoint{}}
	for i := range all {
		if all[i].Test == who.test() {
			list.Data = append(list.Data, endpointJSON(&all[i]))
		}
	}
	return &answer{status: 200, body: list}, nil
}

// createEndpoint is POST /v1/webhook-endpoints.
func (s *Server) createEndpoint(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	var wanted endpointWrite
	if refused := read(r, &wanted, jsonKinds); refused != nil {
		return nil, refused
	}
	if wanted.URL == nil {
		return nil, refuse("validation_failed", "An endpoint needs a url.").at("url")
	}
	e := store.Endpoint{Test: who.test(), Scheme: "v1"}
	if err := s.apply(&wanted, &e); err != nil {
		return nil, err
	}
	e, err := s.Store.CreateEndpoint(r.Context(), e)
	if err != nil {
		return nil, err
	}
	shown := endpointJSON(&e)
	shown.Secret = e.SecretText()
	return &answer{status: 201, header: map[string]string{"Location": "/v1/webhook-endpoints/" + e.ID}, body: shown}, nil
}

func endpointRefusal(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return refuse("not_found", "No webhook endpoint has this id.")
	}
	return err
}

// updateEndpoint is PATCH /v1/webhook-endpoints/{endpoint_id}.
func (s *Server) updateEndpoint(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	var wanted endpointWrite
	if refused := read(r, &wanted, mergeKinds); refused != nil {
		return nil, refused
	}
	e, err := s.Store.UpdateEndpoint(r.Context(), who.test(), r.PathValue("endpoint_id"), func(e *store.Endpoint) error { return s.apply(&wanted, e) })
	if err != nil {
		return nil, endpointRefusal(err)
	}
	return &answer{status: 200, body: endpointJSON(&e)}, nil
}

// deleteEndpoint is DELETE /v1/webhook-endpoints/{endpoint_id}.
func (s *Server) deleteEndpoint(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	if err := s.Store.DeleteEndpoint(r.Context(), who.test(), r.PathValue("endpoint_id")); err != nil {
		return nil, endpointRefusal(err)
	}
	return &answer{status: 204}, nil
}

// testEndpoint is POST /v1/webhook-endpoints/{endpoint_id}/test.
func (s *Server) testEndpoint(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	if err := s.Store.TestEndpoint(r.Context(), who.test(), r.PathValue("endpoint_id")); err != nil {
		return nil, endpointRefusal(err)
	}
	return &answer{status: 202}, nil
}

// rotateSecret is POST /v1/webhook-endpoints/{endpoint_id}/rotate-secret. The
// answer has the new secret: nothing else ever shows it.
func (s *Server) rotateSecret(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	e, err := s.Store.UpdateEndpoint(r.Context(), who.test(), r.PathValue("endpoint_id"), func(e *store.Endpoint) error {
		e.OldSecret, e.OldUntil = e.Secret, time.Now().Add(rotateLife).UTC()
		e.Secret = store.NewSecret()
		return nil
	})
	if err != nil {
		return nil, endpointRefusal(err)
	}
	shown := endpointJSON(&e)
	shown.Secret = e.SecretText()
	return &answer{status: 202, body: shown}, nil
}

// replayBody is the body of POST …/replay.
type replayBody struct {
	Since *string `json:"since"`

	since time.Time
}

func (b *replayBody) validate() *problem {
	var f faults
	var err error
	if b.since, err = time.Parse(time.RFC3339, orZero(b.Since)); err != nil {
		f.add("since", "It is required: a time like 2026-11-23T09:42:11Z.")
	}
	return f.problem()
}

// replayDeliveries is POST /v1/webhook-endpoints/{endpoint_id}/replay.
func (s *Server) replayDeliveries(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	var wanted replayBody
	if refused := read(r, &wanted, jsonKinds); refused != nil {
		return nil, refused
	}
	e, err := s.Store.Endpoint(r.Context(), who.test(), r.PathValue("endpoint_id"))
	if err != nil {
		return nil, endpointRefusal(err)
	}
	if e.Disabled != "" {
		return nil, refuse("endpoint_disabled", "It is disabled (%s). Enable it first: PATCH enabled.", e.Disabled)
	}
	n, err := s.Store.Replay(r.Context(), e.ID, wanted.since)
	if err != nil {
		return nil, err
	}
	return &answer{status: 202, body: map[string]int64{"deliveries": n}}, nil
}

// Delivery is one event on its way to one endpoint.
type Delivery struct {
	ID          string     `json:"id"`
	EventID     string     `json:"event_id"`
	EventType   string     `json:"event_type"`
	Seq         int64      `json:"seq"`
	Subject     string     `json:"subject"`
	State       string     `json:"state"`
	Attempts    int        `json:"attempts"`
	CreatedAt   time.Time  `json:"created_at"`
	LastAttempt *time.Time `json:"last_attempt_at"`
	NextAttempt *time.Time `json:"next_attempt_at"`
	StatusCode  *int       `json:"status_code"`
	DurationMS  *int64     `json:"duration_ms"`
	Answer      *string    `json:"answer"`
	Error       *string    `json:"error"`
}

// listDeliveries is GET /v1/webhook-endpoints/{endpoint_id}/deliveries.
func (s *Server) listDeliveries(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	limit, err := integer(r, "limit", 50, 1, 200)
	if err != nil {
		return nil, err
	}
	var before int64
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		if before, err = strconv.ParseInt(cursor, 10, 64); err != nil || before < 1 {
			return nil, refuse("malformed_parameter", "cursor is the next_cursor of the page before.")
		}
	}
	e, err := s.Store.Endpoint(r.Context(), who.test(), r.PathValue("endpoint_id"))
	if err != nil {
		return nil, endpointRefusal(err)
	}
	found, more, err := s.Store.Deliveries(r.Context(), e.ID, before, limit)
	if err != nil {
		return nil, err
	}
	p := struct {
		Data       []Delivery `json:"data"`
		NextCursor *string    `json:"next_cursor"`
	}{Data: make([]Delivery, len(found))}
	for i := range found {
		d := &found[i]
		p.Data[i] = Delivery{ID: strconv.FormatInt(d.ID, 10), EventID: d.EventID, EventType: string(d.EventType), Seq: d.Seq, Subject: d.Subject,
			State: string(d.State), Attempts: d.Attempts, CreatedAt: *moment(d.CreatedAt), LastAttempt: moment(d.LastAt), NextAttempt: moment(d.NextAt),
			StatusCode: orNull(d.Code), DurationMS: orNull(d.Took.Milliseconds()), Answer: orNull(d.Answer), Error: orNull(d.Error)}
	}
	if more {
		p.NextCursor = &p.Data[len(found)-1].ID
	}
	return &answer{status: 200, body: p}, nil
}
