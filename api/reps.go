package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tandem/bridge"
	"tandem/store"
)

// Rep is a rep as the CRM sees them.
type Rep struct {
	ID               string        `json:"id"`
	Object           string        `json:"object"`
	ExternalID       *string       `json:"external_id"`
	Name             string        `json:"name"`
	Region           string        `json:"region"`
	PassThrough      RepPassNumber `json:"pass_through"`
	CallerID         *string       `json:"caller_id"`
	AllowedCallerIDs []string      `json:"allowed_caller_ids"`
	State            string        `json:"state"`
	ActiveCallID     *string       `json:"active_call_id"`
	UpdatedAt        time.Time     `json:"updated_at"`
}

// RepPassNumber is the phone that is rung, and the switch.
type RepPassNumber struct {
	Number     *string    `json:"number"`
	Display    *string    `json:"number_display"`
	Extension  *string    `json:"extension"`
	Enabled    bool       `json:"enabled"`
	Trusted    bool       `json:"trusted"`
	VerifiedAt *time.Time `json:"verified_at"`
}

func (s *Server) repJSON(r *store.Rep) Rep {
	state := "idle"
	switch {
	case r.ActiveCall != "":
		state = "on_call"
	case r.Number == "":
		state = "no_number"
	case !r.Enabled:
		state = "off"
	}
	return Rep{
		ID: r.ID, Object: "rep", ExternalID: orNull(r.ExternalID), Name: r.Name, Region: r.Region,
		PassThrough: RepPassNumber{Number: orNull(r.Number), Display: orNull(r.Display), Extension: orNull(r.Extension),
			Enabled: r.Enabled, Trusted: r.Trusted, VerifiedAt: moment(r.VerifiedAt)},
		CallerID: orNull(r.CallerID), AllowedCallerIDs: append([]string{}, s.Numbers().CallerIDs...), State: state,
		ActiveCallID: orNull(r.ActiveCall), UpdatedAt: *moment(r.UpdatedAt),
	}
}

// repAnswer shows a rep with the tag that If-Match takes.
func (s *Server) repAnswer(status int, r *store.Rep) *answer {
	return &answer{status: status, header: map[string]string{"ETag": fmt.Sprintf(`"%d"`, r.Version)}, body: s.repJSON(r)}
}

// findRep reads the rep of the path. A session finds its own only, also as "me".
func (s *Server) findRep(r *http.Request, who *caller) (store.Rep, error) {
	name := r.PathValue("rep_id")
	if who.rep != nil && name == "me" {
		name = who.rep.ID
	}
	return s.namedRep(r.Context(), who, name)
}

func (s *Server) namedRep(ctx context.Context, who *caller, name string) (store.Rep, error) {
	rep, err := s.Store.Rep(ctx, who.test(), name)
	if errors.Is(err, store.ErrNotFound) || err == nil && who.rep != nil && rep.ID != who.rep.ID {
		return store.Rep{}, refuse("not_found", "No rep has this id.")
	}
	return rep, err
}

// repPage is one page of reps.
type repPage struct {
	Data       []Rep   `json:"data"`
	NextCursor *string `json:"next_cursor"`
}

// listReps is GET /v1/reps.
func (s *Server) listReps(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	limit, err := integer(r, "limit", 50, 1, 200)
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	reps, more, err := s.Store.Reps(r.Context(), who.test(), query.Get("external_id"), query.Get("cursor"), limit)
	if err != nil {
		return nil, err
	}
	p := repPage{Data: make([]Rep, len(reps))}
	for i := range reps {
		p.Data[i] = s.repJSON(&reps[i])
	}
	if more {
		p.NextCursor = &reps[len(reps)-1].ID
	}
	return &answer{status: 200, body: p}, nil
}

// getRep is GET /v1/reps/{rep_id}.
func (s *Server) getRep(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	rep, err := s.findRep(r, who)
	if err != nil {
		return nil, err
	}
	return s.repAnswer(200, &rep), nil
}

// createRep is POST /v1/reps.
func (s *Server) createRep(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	data, refused := body(r, jsonKinds...)
	if refused != nil {
		return nil, refused
	}
	make := func(id string) (*answer, error) {
		var wanted repWrite
		if refused := decodeValid(data, &wanted); refused != nil {
			return nil, refused
		}
		if wanted.Name == nil {
			return nil, refuse("validation_failed", "A rep needs a name.").at("name")
		}
		rep := store.Rep{ID: id, Test: who.test(), Region: s.Numbers().Region, Enabled: true}
		if err := s.change(&rep, &wanted, who); err != nil {
			return nil, err
		}
		rep, err := s.Store.CreateRep(context.WithoutCancel(r.Context()), rep)
		if err != nil {
			return nil, repRefusal(err)
		}
		a := s.repAnswer(201, &rep)
		a.header["Location"] = "/v1/reps/" + rep.ID
		return a, nil
	}
	key, refused := idempotencyKey(r)
	if refused != nil {
		return nil, refused
	}
	if key == "" {
		return make("")
	}
	sum := sha256.Sum256(data)
	return s.once(r.Context(), store.Claim{Scope: who.id + " POST /v1/reps", Key: key,
		BodyHash: hex.EncodeToString(sum[:]), CallID: bridge.NewID("rep")}, make, func(ctx context.Context, id string) (*answer, error) {
		rep, err := s.Store.Rep(ctx, who.test(), id)
		if err != nil {
			return nil, err
		}
		return s.repAnswer(201, &rep), nil
	})
}

// updateRep is PATCH /v1/reps/{rep_id}.
func (s *Server) updateRep(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	rep, err := s.findRep(r, who)
	if err != nil {
		return nil, err
	}
	var wanted repWrite
	if refused := read(r, &wanted, mergeKinds); refused != nil {
		return nil, refused
	}
	version, refused := ifMatch(r, rep.Version)
	if refused != nil {
		return nil, refused
	}
	rep, err = s.Store.UpdateRep(r.Context(), who.test(), rep.ID, version, func(rep *store.Rep) error { return s.change(rep, &wanted, who) })
	if err != nil {
		return nil, repRefusal(err)
	}
	return s.repAnswer(200, &rep), nil
}

// ifMatch is the version that a request wants changed, 0 = whichever it is.
func ifMatch(r *http.Request, current int) (int, *problem) {
	header := r.Header.Get("If-Match")
	if header == "" || strings.TrimSpace(header) == "*" {
		return 0, nil
	}
	for tag := range strings.SplitSeq(header, ",") {
		if v, err := strconv.Atoi(strings.Trim(strings.TrimSpace(tag), `"`)); err == nil && v == current {
			return v, nil
		}
	}
	return 0, refuse("stale_version", "It is at version \"%d\" by now.", current)
}

func repRefusal(err error) error {
	switch {
	case errors.Is(err, store.ErrStale):
		return refuse("stale_version", "It was changed meanwhile.")
	case errors.Is(err, store.ErrTaken):
		return refuse("external_id_taken", "Another rep has this external_id.").at("external_id")
	case errors.Is(err, store.ErrNotFound):
		return refuse("not_found", "No rep has this id.")
	}
	return err
}

// deleteRep is DELETE /v1/reps/{rep_id}.
func (s *Server) deleteRep(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	if err := s.Store.DeleteRep(r.Context(), who.test(), r.PathValue("rep_id")); err != nil {
		return nil, repRefusal(err)
	}
	return &answer{status: 204}, nil
}

// testRepPhone is POST /v1/reps/{rep_id}/verifications.
func (s *Server) testRepPhone(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	rep, err := s.findRep(r, who)
	if err != nil {
		return nil, err
	}
	if rep.Number == "" {
		return nil, noNumber(&rep)
	}
	request := bridge.Request{Kind: bridge.Verification, Source: bridge.FromVerification}
	ring(&request, &rep)
	return s.start(r.Context(), request, who)
}

func noNumber(rep *store.Rep) *problem {
	return refuse("no_pass_through_number", "%s has no phone to ring yet. Set pass_through.number.", rep.Name)
}

// ring has a request ring a rep's phone.
func ring(request *bridge.Request, rep *store.Rep) {
	request.RepID, request.RepExternal, request.Region, request.RepNumber = rep.ID, rep.ExternalID, rep.Region, rep.Number
	if rep.Extension != "" {
		request.RepNumber += "x" + rep.Extension
	}
	if request.CallerID == "" {
		request.CallerID = rep.CallerID
	}
}

// callRep fills in the rep that a call is asked for, where they can be rung now.
func (s *Server) callRep(ctx context.Context, request *bridge.Request, name string, who *caller) error {
	rep, err := s.namedRep(ctx, who, name)
	switch {
	case err != nil:
		return err
	case rep.Number == "":
		return noNumber(&rep)
	case !rep.Enabled:
		return refuse("pass_through_off", "%s has switched pass-through calls off.", rep.Name)
	case !rep.Trusted && rep.VerifiedAt.IsZero():
		return refuse("number_not_verified", "%s has not pressed 1 on %s yet. Test it with POST /v1/reps/%s/verifications.", rep.Name, rep.Display, rep.ID)
	}
	ring(request, &rep)
	return nil
}

// change makes the changes to a rep that were asked for. What a rep's own
// session may change is less than what a key may.
func (s *Server) change(rep *store.Rep, w *repWrite, who *caller) error {
	if who.rep != nil && (w.ExternalID.set || w.Name != nil || w.Region != nil) {
		return refuse("insufficient_scope", "A rep's session may change pass_through and caller_id.")
	}
	if w.ExternalID.set {
		rep.ExternalID = orZero(w.ExternalID.value)
	}
	if w.Name != nil {
		rep.Name = *w.Name
	}
	if w.Region != nil {
		rep.Region = *w.Region
	}
	if w.CallerID.set {
		if err := s.changeCallerID(rep, orZero(w.CallerID.value), who); err != nil {
			return err
		}
	}
	if p := w.PassThrough; p != nil {
		if err := s.changeNumber(rep, p, who); err != nil {
			return err
		}
		if p.Enabled != nil {
			rep.Enabled = *p.Enabled
		}
	}
	return nil
}

func (s *Server) changeCallerID(rep *store.Rep, text string, who *caller) error {
	if text == "" {
		rep.CallerID = ""
		return nil
	}
	n, err := who.calls.Number("caller_id", text, rep.Region)
	if err != nil {
		return err
	}
	if ours := s.Numbers().CallerIDs; len(ours) > 0 && !slices.Contains(ours, n.E164) {
		return refuse("caller_id_not_allowed", "The trunks may show %s only.", strings.Join(ours, ", ")).at("caller_id")
	}
	rep.CallerID = n.E164
	return nil
}

// changeNumber sets the phone that is rung. A key is trusted to know it; a rep's
// own session has to prove it by a verification.
func (s *Server) changeNumber(rep *store.Rep, w *repPassWrite, who *caller) error {
	if !w.Number.set && !w.Extension.set {
		return nil
	}
	text := rep.Number
	if w.Number.set {
		text = orZero(w.Number.value)
	}
	var n bridge.Number
	if text != "" {
		extension := ""
		switch given := orZero(w.Extension.value); {
		case given == "":
		case bridge.IsDesk(text):
			return refuse("extension_invalid", "A SIP URI is the phone itself: it has no extension.").at("pass_through/extension")
		case !extensionForm.MatchString(given):
			return refuse("extension_invalid", "Use digits, *, #, and \",\" for a pause of 2 s.").at("pass_through/extension")
		default:
			extension = "x" + given
		}
		var err error
		if n, err = who.calls.RepNumber("pass_through/number", text+extension, rep.Region); err != nil {
			return err
		}
	}
	if n.E164 != rep.Number || n.Extension != rep.Extension {
		rep.VerifiedAt, rep.Trusted = time.Time{}, false
	}
	if who.key != nil {
		rep.Trusted = n.E164 != ""
	}
	rep.Number, rep.Display, rep.Extension = n.E164, n.Display, n.Extension
	return nil
}

func orZero[T any](v *T) (zero T) {
	if v == nil {
		return zero
	}
	return *v
}

// repWrite is the body of POST and PATCH of a rep.
type repWrite struct {
	ExternalID  maybe[string] `json:"external_id"`
	Name        *string       `json:"name"`
	Region      *string       `json:"region"`
	PassThrough *repPassWrite `json:"pass_through"`
	CallerID    maybe[string] `json:"caller_id"`
}

type repPassWrite struct {
	Number    maybe[string] `json:"number"`
	Extension maybe[string] `json:"extension"`
	Enabled   *bool         `json:"enabled"`
}

func (w *repWrite) validate() *problem {
	var f faults
	f.maybe("external_id", w.ExternalID.wrong)
	f.maybe("caller_id", w.CallerID.wrong)
	f.text("external_id", w.ExternalID.value, 128)
	f.text("name", w.Name, 100)
	f.text("caller_id", w.CallerID.value, 64)
	if w.Name != nil && strings.TrimSpace(*w.Name) == "" {
		f.add("name", "It is empty.")
	}
	if w.Region != nil && !regionForm.MatchString(*w.Region) {
		f.add("region", "It must be a country in two capitals, such as US.")
	}
	if p := w.PassThrough; p != nil {
		f.maybe("pass_through/number", p.Number.wrong)
		f.maybe("pass_through/extension", p.Extension.wrong)
		f.text("pass_through/number", p.Number.value, 128)
		f.text("pass_through/extension", p.Extension.value, 40)
	}
	return f.problem()
}
