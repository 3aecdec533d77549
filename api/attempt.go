package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tandem/store"
)

// retries is the specification's table: from each failed attempt to the next.
// After the last, 75.6 h after the first, a delivery is dead.
var retries = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// maxRetryAfter is the longest that an endpoint may ask us to wait.
const maxRetryAfter = 24 * time.Hour

// errUnwanted says that an endpoint is disabled or deleted since its delivery was
// read: that is dead, or gone.
var errUnwanted = errors.New("endpoint takes nothing")

// attempt sends one event once, and says how that ended; an error says that it did
// not, or that nothing is known of it.
func (s *Sender) attempt(ctx context.Context, d store.Delivery) (store.Attempt, error) {
	a := store.Attempt{Delivery: d}
	endpoint, err := s.endpoint(ctx, d.Endpoint)
	if errors.Is(err, store.ErrNotFound) || err == nil && endpoint.Disabled != "" {
		err = errUnwanted
	}
	if err != nil {
		return a, err
	}
	body, err := s.bodies.of(ctx, s.Server, d.Seq)
	if err != nil {
		return a, err
	}
	a.LastAt, a.Attempts = time.Now(), d.Attempts+1
	response, answer, err := s.post(ctx, &endpoint, body.id, a.LastAt, body.text)
	if ctx.Err() != nil {
		return a, ctx.Err() // we were stopped
	}
	a.Took, a.Answer, a.Code, a.Error = time.Since(a.LastAt), answer, 0, ""
	if response != nil {
		a.Code = response.StatusCode
	}
	result := s.judge(&a, d.Attempts, response, err)
	s.Server.Metrics.attempted(result, a.Took)
	if a.State != store.DeliveryDone {
		s.log.Warn("webhooks: not delivered", "endpoint", d.Endpoint, "call", d.Subject, "code", a.Code, "err", a.Error, "state", a.State)
	}
	a.Change = func(e *store.Endpoint) { s.settle(e, &a) }
	return a, nil
}

func (s *Sender) endpoint(ctx context.Context, id string) (store.Endpoint, error) {
	endpoint, err := s.store.Endpoint(ctx, false, id)
	if errors.Is(err, store.ErrNotFound) {
		return s.store.Endpoint(ctx, true, id)
	}
	return endpoint, err
}

// excerpt is how much of an answer is kept, in octets.
const excerpt = 1 << 10

// post makes one request and reads the beginning of its answer.
func (s *Sender) post(ctx context.Context, e *store.Endpoint, id string, at time.Time, body []byte) (*http.Response, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	SignWebhook(request.Header, e, id, at, body)
	request.Header.Set("User-Agent", "tandem")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, excerpt))
	if err != nil && response.StatusCode < 300 {
		return nil, "", err
	}
	return response, strings.ToValidUTF8(strings.ReplaceAll(string(answer), "\x00", ""), string(utf8.RuneError)), nil
}

// judge says what an attempt came to, after so many before it, and in one word
// for the metric. What the endpoint refuses by a 4xx does not hold back the
// call's later events: another will not be refused for the same reason.
func (s *Sender) judge(a *store.Attempt, before int, response *http.Response, err error) (result string) {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errBlocked):
		result, a.Error = "blocked", err.Error()
	case errors.As(err, &timeout) && timeout.Timeout():
		result, a.Error = "timeout", fmt.Sprintf("no answer within %v", s.Timeout)
	case err != nil:
		result, a.Error = "refused", err.Error()
	case a.Code >= 200 && a.Code < 300:
		a.State = store.DeliveryDone
		return "ok"
	default:
		result, a.Error = "http_error", "answered "+response.Status
		a.Passed = a.Code >= 400 && a.Code < 500 && a.Code != http.StatusTooManyRequests && a.Code != http.StatusRequestTimeout
	}
	if a.Code == http.StatusGone || before >= len(retries) {
		a.State = store.DeliveryDead
		return result
	}
	wait := time.Duration(float64(retries[before]) * (0.8 + 0.4*rand.Float64()))
	if response != nil && (a.Code == http.StatusTooManyRequests || a.Code == http.StatusServiceUnavailable) {
		wait = max(wait, retryAfter(response.Header.Get("Retry-After"), time.Now()))
	}
	a.State, a.NextAt = store.DeliveryPending, time.Now().Add(wait)
	return result
}

// retryAfter reads RFC 9110 §10.2.3: seconds, or a date. What cannot be read is 0.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(now)), maxRetryAfter)
}

// settle notes on an endpoint how an attempt ended, and disables one that wants
// no more or has failed for too long.
func (s *Sender) settle(e *store.Endpoint, a *store.Attempt) {
	now := time.Now()
	switch {
	case e.Disabled != "":
		return
	case a.State == store.DeliveryDone:
		e.FailingSince = time.Time{}
		return
	case a.Code == http.StatusGone:
		e.Disabled = store.DisabledGone
	case e.FailingSince.IsZero():
		e.FailingSince = now.UTC()
	case now.Sub(e.FailingSince) >= s.DisableAfter:
		e.Disabled = store.DisabledFailing
	}
	if e.Disabled != "" {
		s.log.Error("webhooks: endpoint disabled", "endpoint", e.ID, "err", e.Disabled)
	}
}
