package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"tandem/store"
)

// claimLife is how long the first request may take before another with its key
// takes its place: its process has died.
const claimLife = 10 * time.Second

// idempotencyKey reads the header, "" = none.
func idempotencyKey(r *http.Request) (string, *problem) {
	key := r.Header.Get("Idempotency-Key")
	if len(key) > 255 {
		return "", refuse("malformed_parameter", "The Idempotency-Key has more than 255 characters.")
	}
	return key, nil
}

// once does a request whose key may come again: then the first answer is given
// again, and nothing is done. do makes something of the claim's id; made shows
// what a process that died had made of it, or says store.ErrNotFound.
func (s *Server) once(ctx context.Context, c store.Claim, do func(id string) (*answer, error), made func(ctx context.Context, id string) (*answer, error)) (*answer, error) {
	prior, err := s.Store.Claim(ctx, c)
	if err != nil {
		return nil, refuse("store_unavailable", "The request could not be written down, so nothing was done. Try again.").after(time.Second)
	}
	if prior != nil {
		return s.replay(ctx, c, prior, do, made)
	}
	return s.first(ctx, c, do)
}

// first does the request and keeps what was answered.
func (s *Server) first(ctx context.Context, c store.Claim, do func(id string) (*answer, error)) (*answer, error) {
	a, err := do(c.CallID)
	if err != nil {
		p := explain(err)
		if p.Status >= 500 || p.Status == 409 || p.Status == 429 { // another try may go better
			if err := s.Store.Unclaim(context.WithoutCancel(ctx), c); err != nil {
				s.log.Error("api: idempotency key not given back", "err", err)
			}
			return nil, p
		}
		id, _ := ctx.Value(requestIDKey{}).(string)
		a = p.answer(id)
	}
	body, err := a.encode()
	if err == nil {
		err = s.Store.Answered(context.WithoutCancel(ctx), c, store.Answer{Status: a.status, Header: a.header, Body: body})
	}
	if err != nil {
		s.log.Error("api: answer not kept for its repetition", "err", err)
	}
	return a, nil
}

// replay answers a request that was made before.
func (s *Server) replay(ctx context.Context, c store.Claim, prior *store.Prior, do func(id string) (*answer, error), made func(ctx context.Context, id string) (*answer, error)) (*answer, error) {
	if prior.BodyHash != c.BodyHash {
		return nil, refuse("idempotency_key_reused", "The first request with this key had another body.")
	}
	if prior.Status != 0 {
		s.Metrics.replayed()
		header := map[string]string{"Idempotency-Replayed": "true", "Content-Type": "application/json"}
		for name, value := range prior.Header {
			header[name] = value
		}
		return &answer{status: prior.Status, header: header, body: rawJSON(prior.Body)}, nil
	}
	a, err := made(ctx, prior.CallID)
	switch {
	case err == nil: // it was made, and the process died before it could say so
		a.header["Idempotency-Replayed"] = "true"
		return a, nil
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	case time.Since(prior.At) < claimLife:
		return nil, refuse("idempotency_in_progress", "The first request with this key is still running.").after(time.Second)
	}
	c.CallID = prior.CallID
	return s.first(ctx, c, do)
}

// rawJSON is a body that is encoded already.
type rawJSON []byte

// MarshalJSON returns the octets as they are.
func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }
