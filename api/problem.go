package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"tandem/bridge"
)

// kind is one row of the error table: what a code is sent with, and what helps.
type kind struct {
	status int
	title  string
	help   string
}

// kinds is every code there is; /errors/{code} shows them.
var kinds = map[string]kind{
	"malformed_json":          {400, "The body is not the JSON that is asked for", "Compare it with /openapi.json; detail says where it went wrong."},
	"malformed_parameter":     {400, "A parameter cannot be read", "Compare it with /openapi.json; detail names the parameter."},
	"missing_credentials":     {401, "No API key was sent", "Send it as Authorization: Bearer KEY, or as the user name of HTTP Basic. Make one with: tandem keys create."},
	"invalid_key":             {401, "The API key is not valid", "It was mistyped or revoked. List keys with: tandem keys list."},
	"expired_key":             {401, "The API key has expired", "Make another with: tandem keys create."},
	"insufficient_scope":      {403, "The API key lacks a scope", "Make a key that has the scope which detail names: tandem keys create --scopes."},
	"ip_not_allowed":          {403, "The API key may not be used from this address", "Use it from the networks it was made for, or make another: tandem keys create --cidr."},
	"caller_id_not_allowed":   {403, "The caller id is not the trunk's", "Add it to caller_ids of the trunk, or ask for one that is there."},
	"destination_not_allowed": {403, "The number may not be dialled", "Only numbers that begin with a prefix in numbers.allow of tandem.yaml are, and none in numbers.deny."},
	"emergency_number":        {403, "Emergency numbers are never dialled", "Call them from a telephone."},
	"cross_origin":            {403, "Another site's page may not use a rep's session", "Call from the CRM's backend, with an API key."},
	"link_expired":            {403, "The sign-in link was used, or is too old", "Make another: POST /v1/reps/{rep_id}/sessions, or tandem reps link."},
	"premium_blocked":         {403, "Premium-rate numbers are not dialled", "Each minute of such a call costs much. Whoever runs Tandem can allow them: policy.premium in tandem.yaml."},
	"country_not_allowed":     {403, "Numbers of this country are not dialled", "Whoever runs Tandem can allow the country: policy.countries in tandem.yaml."},
	"dnc_listed":              {403, "The number is on the do-not-call list", "DELETE /v1/do-not-call/{number} takes it off."},
	"outside_call_window":     {403, "It is too early or too late where the prospect is", "next_allowed_at says when; to_timezone says where the prospect really is."},
	"not_found":               {404, "There is no such thing", "Check the id and the path."},
	"method_not_allowed":      {405, "The path has no such method", "See /openapi.json; the Allow header lists those there are."},
	"rep_busy":                {409, "The rep is already on a call", "active_call_id names it. End it, or wait."},
	"call_already_ended":      {409, "The call has ended", "Its outcome says how. To talk again, start another."},
	"wrong_call_state":        {409, "The call is not at that point", "detail says what it is at."},
	"idempotency_in_progress": {409, "The first request with this key is still running", "Wait for Retry-After, then send it again."},
	"pass_through_off":        {409, "The rep has switched pass-through calls off", "The switch is pass_through.enabled of the rep."},
	"no_pass_through_number":  {409, "The rep has no phone to ring", "Set pass_through.number of the rep."},
	"number_not_verified":     {409, "The rep has not shown that the phone is theirs", "Ring it: POST /v1/reps/{rep_id}/verifications. Whoever answers presses 1."},
	"external_id_taken":       {409, "Another rep has this external id", "Find it with GET /v1/reps?external_id=."},
	"stale_version":           {412, "It was changed meanwhile", "Read it again, and send the new ETag in If-Match."},
	"endpoint_disabled":       {409, "The webhook endpoint is disabled", "Enable it with PATCH and enabled, then try again."},
	"events_expired":          {410, "Events that old are not kept", "List the calls again, then stream from now."},
	"too_large":               {413, "The body is too large", "64 kB is the most."},
	"unsupported_media_type":  {415, "The body is not JSON", "Send Content-Type: application/json."},
	"validation_failed":       {422, "A field has a value that is not allowed", "errors[] points at each."},
	"invalid_number":          {422, "This is not a telephone number", "Write it in E.164, as +14155550123."},
	"extension_invalid":       {422, "The extension cannot be dialled", "Use digits, *, #, and \",\" for a pause."},
	"same_number_both_legs":   {422, "Rep and prospect have the same number", "One is who calls, the other who is called."},
	"invalid_webhook_url":     {422, "Events cannot be sent to this address", "Use an http or https URL on a public address, or set webhooks.allow_private_networks."},
	"idempotency_key_reused":  {422, "The Idempotency-Key was used for another request", "Use a new key for each request."},
	"attempt_limit":           {429, "The prospect was dialled too often", "Call somebody else. How often is too often is policy.attempts in tandem.yaml."},
	"rate_limited":            {429, "Too many requests", "Wait for Retry-After."},
	"no_capacity":             {503, "Every line is taken", "Wait for Retry-After. Where it happens often, more calls at once have to be allowed: limits.channels of the trunk in tandem.yaml, as many as the carrier takes."},
	"spend_limit_reached":     {503, "The trunk's money for today is spent", "It is limits.daily_spend of the trunk in tandem.yaml; the day is in UTC. next_allowed_at says when the next begins."},
	"no_trunk_available":      {503, "No trunk can take the call", "Ask whoever runs Tandem: tandem trunk list says how each line is, and routing in tandem.yaml which takes which numbers."},
	"draining":                {503, "The server takes no new calls now", "Wait for Retry-After. It is shutting down, or was told to by POST /v1/admin/drain."},
	"store_unavailable":       {503, "The database cannot be written", "Wait for Retry-After. If it stays so, the disk is full or cannot be written: the log and tandem doctor say which."},
	"not_ready":               {503, "The server cannot take calls now", "errors[] says which check fails; tandem doctor says more."},
	"internal_error":          {500, "Something went wrong here", "The log has it under this request_id."},
}

// fault points at one part of a request.
type fault struct {
	Pointer string `json:"pointer,omitempty"`
	Code    string `json:"code,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// problem is a refusal on its way to the client.
type problem struct {
	Type         string     `json:"type"`
	Title        string     `json:"title"`
	Status       int        `json:"status"`
	Detail       string     `json:"detail,omitempty"`
	Code         string     `json:"code"`
	RequestID    string     `json:"request_id"`
	ActiveCallID string     `json:"active_call_id,omitempty"`
	NextAllowed  *time.Time `json:"next_allowed_at,omitempty"`
	Errors       []fault    `json:"errors,omitempty"`

	retryAfter time.Duration
}

func (p *problem) Error() string { return p.Code + ": " + p.Detail }

// refuse makes a problem of a code of kinds.
func refuse(code, detail string, args ...any) *problem {
	if len(args) > 0 {
		detail = fmt.Sprintf(detail, args...)
	}
	k := kinds[code]
	return &problem{Type: "/errors/" + code, Title: k.title, Status: k.status, Detail: detail, Code: code}
}

// at points the problem at a field of the body.
func (p *problem) at(field string) *problem {
	if field != "" {
		p.Errors = append(p.Errors, fault{Pointer: "#/" + field, Code: p.Code, Detail: p.Detail})
	}
	return p
}

func (p *problem) after(d time.Duration) *problem {
	p.retryAfter = d
	return p
}

// explain makes a problem of any error. What is nobody's business becomes
// internal_error.
func explain(err error) *problem {
	var p *problem
	var refused *bridge.Refusal
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refused):
		p = refuse(string(refused.Code), refused.Detail).at(refused.Field).after(refused.RetryAfter)
		p.ActiveCallID, p.NextAllowed = refused.ActiveCall, moment(refused.NextAllowed)
		return p
	default:
		return refuse("internal_error", "See the log of the server.")
	}
}

// answer is what a handler says: a body that becomes JSON, with headers.
type answer struct {
	status int
	header map[string]string
	body   any // nil = none
}

// encode makes the octets of an answer.
func (a *answer) encode() ([]byte, error) {
	if a.body == nil {
		return nil, nil
	}
	body, err := json.Marshal(a.body)
	return append(body, '\n'), err
}

// retryAnyway is what Retry-After says where nobody knows better.
const retryAnyway = 30 * time.Second

// answer makes the answer that a problem is.
func (p *problem) answer(requestID string) *answer {
	p.RequestID = requestID
	header := map[string]string{"Content-Type": "application/problem+json"}
	if p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable {
		p.retryAfter = cmp.Or(p.retryAfter, retryAnyway)
	}
	if p.retryAfter > 0 {
		header["Retry-After"] = strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds())))
	}
	if p.Status == http.StatusUnauthorized {
		header["WWW-Authenticate"] = `Bearer realm="tandem"`
	}
	return &answer{status: p.Status, header: header, body: p}
}
