package api

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base32"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"tandem/bridge"
	"tandem/store"
)

// Calls is the bridge: *bridge.Bridge.
type Calls interface {
	Start(ctx context.Context, r bridge.Request) (bridge.Record, error)
	End(id string, by bridge.By) (bridge.Record, error)
	Confirm(id string) (bridge.Record, error)
	SendDigits(id, digits string) error
	Number(field, text, region string) (bridge.Number, error)
	RepNumber(field, text, region string) (bridge.Number, error)
	Quote(r bridge.Request) (bridge.Quote, error)
	Annotate(ctx context.Context, id string, p bridge.Patch) (bridge.Record, error)
}

// Check is one thing that must be well for calls to be taken.
type Check struct {
	Name string
	Err  error // nil = well
}

// Config is what a Server needs. Everything but Log and Metrics is needed.
type Config struct {
	Calls          Calls
	TestCalls      func() (Calls, error) // those of test keys, which reach no carrier; nil = none
	Store          *store.Store
	Operations     Operations
	Ready          func(ctx context.Context) []Check
	Numbers        func() Numbers
	Framed         bool     // pages of other sites may embed the rep's page
	CORSOrigins    []string // whose pages may call with a rep's session: https://crm.example.com
	PublicURL      string   // where browsers find the server; "" = where they asked
	PerSecond      float64  // writes, per API key
	PrivateHooks   bool     // webhooks may go to private networks
	Burst          int
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
	Log            *slog.Logger   // nil = none
	Metrics        *Metrics       // nil = none
}

// Numbers is what the configuration says of numbers, as it stands now.
type Numbers struct {
	Region    string   // of reps who do not say theirs, ISO 3166
	CallerIDs []string // that the trunks own; none = any may be shown
}

// Server is the control API, an http.Handler.
type Server struct {
	Config
	log    *slog.Logger
	mux    *http.ServeMux
	limits *limiter
	feed   *feed

	browsed map[string]bool // patterns of routes that pages of other origins may use
	foreign *http.CrossOriginProtection
	life    context.Context
	stop    context.CancelFunc
}

// route is one row of the table of all there is. A handler returns the answer,
// or nil when it has written one itself.
type route struct {
	method, path string
	scope        string // "" = for everybody
	session      bool   // a rep's own session may, too
	handle       func(s *Server, w http.ResponseWriter, r *http.Request, who *caller) (*answer, error)
}

var routes = []route{
	{"POST", "/v1/calls", "calls:write", true, (*Server).createCall},
	{"GET", "/v1/calls", "calls:read", true, (*Server).listCalls},
	{"GET", "/v1/calls/{call_id}", "calls:read", true, (*Server).getCall},
	{"PATCH", "/v1/calls/{call_id}", "calls:write", true, (*Server).updateCall},
	{"POST", "/v1/calls/{call_id}/hangup", "calls:write", true, (*Server).hangupCall},
	{"POST", "/v1/calls/{call_id}/confirm", "calls:write", true, (*Server).confirmCall},
	{"POST", "/v1/calls/{call_id}/dtmf", "calls:write", true, (*Server).sendDigits},
	{"GET", "/v1/calls/{call_id}/events", "calls:read", true, (*Server).callEvents},
	{"GET", "/v1/calls/{call_id}/trace", "ops:read", false, (*Server).traceCall},
	{"GET", "/v1/trunks", "ops:read", false, (*Server).listTrunks},
	{"POST", "/v1/admin/reload", "admin", false, (*Server).reloadConfig},
	{"POST", "/v1/admin/drain", "admin", false, (*Server).drain},
	{"DELETE", "/v1/admin/drain", "admin", false, (*Server).drain},
	{"GET", "/v1/reps", "reps:read", false, (*Server).listReps},
	{"POST", "/v1/reps", "reps:write", false, (*Server).createRep},
	{"GET", "/v1/reps/{rep_id}", "reps:read", true, (*Server).getRep},
	{"PATCH", "/v1/reps/{rep_id}", "reps:write", true, (*Server).updateRep},
	{"DELETE", "/v1/reps/{rep_id}", "reps:write", false, (*Server).deleteRep},
	{"POST", "/v1/reps/{rep_id}/verifications", "reps:write", true, (*Server).testRepPhone},
	{"POST", "/v1/reps/{rep_id}/sessions", "reps:sessions", false, (*Server).createRepSession},
	{"GET", "/v1/events", "events:read", true, (*Server).allEvents},
	{"GET", "/v1/webhook-endpoints", "webhooks:manage", false, (*Server).listEndpoints},
	{"POST", "/v1/webhook-endpoints", "webhooks:manage", false, (*Server).createEndpoint},
	{"PATCH", "/v1/webhook-endpoints/{endpoint_id}", "webhooks:manage", false, (*Server).updateEndpoint},
	{"DELETE", "/v1/webhook-endpoints/{endpoint_id}", "webhooks:manage", false, (*Server).deleteEndpoint},
	{"POST", "/v1/webhook-endpoints/{endpoint_id}/test", "webhooks:manage", false, (*Server).testEndpoint},
	{"POST", "/v1/webhook-endpoints/{endpoint_id}/rotate-secret", "webhooks:manage", false, (*Server).rotateSecret},
	{"POST", "/v1/webhook-endpoints/{endpoint_id}/replay", "webhooks:manage", false, (*Server).replayDeliveries},
	{"GET", "/v1/webhook-endpoints/{endpoint_id}/deliveries", "webhooks:manage", false, (*Server).listDeliveries},
	{"GET", "/v1/cdrs", "cdrs:read", false, (*Server).exportCDRs},
	{"GET", "/v1/totals", "cdrs:read", false, (*Server).monthlyTotals},
	{"GET", "/v1/quote", "calls:read", true, (*Server).quoteCall},
	{"GET", "/v1/do-not-call", "admin", false, (*Server).listDoNotCall},
	{"POST", "/v1/do-not-call", "admin", false, (*Server).addDoNotCall},
	{"DELETE", "/v1/do-not-call/{number}", "admin", false, (*Server).removeDoNotCall},
	{"GET", "/signin", "", false, (*Server).signInForm},
	{"POST", "/signin", "", false, (*Server).signIn},
	{"POST", "/signout", "", false, (*Server).signOut},
	{"GET", "/healthz", "", false, (*Server).healthz},
	{"GET", "/readyz", "", false, (*Server).readyz},
	{"GET", "/docs", "", false, (*Server).reference},
	{"GET", "/openapi.json", "", false, (*Server).document},
	{"GET", "/errors/{code}", "", false, (*Server).errorPage},
}

//go:generate go test -run TestDocumentIsCurrent -update
//go:embed openapi.json
var document []byte

// New returns a Server. Close ends its streams.
func New(cfg Config) *Server {
	s := &Server{Config: cfg, log: cfg.Log, mux: http.NewServeMux(), limits: newLimiter(cfg.PerSecond, cfg.Burst)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.browsed = browsed()
	var err error
	if s.foreign, err = foreign(cfg.CORSOrigins); err != nil {
		panic("api: " + err.Error()) // the configuration was checked
	}
	s.feed = &feed{store: cfg.Store, show: s.eventJSON, log: s.log, followers: make(map[*follower]bool)}
	s.life, s.stop = context.WithCancel(context.Background())
	methods := make(map[string][]string)
	for _, r := range routes {
		s.mux.Handle(r.method+" "+r.path, s.serve(r))
		methods[r.path] = append(methods[r.path], r.method)
	}
	for path, allowed := range methods {
		s.mux.Handle(path, s.serve(route{"", path, "", false, func(*Server, http.ResponseWriter, *http.Request, *caller) (*answer, error) {
			a := refuse("method_not_allowed", "There are: %s.", strings.Join(allowed, ", "))
			return nil, &otherMethod{a, strings.Join(allowed, ", ")}
		}}))
	}
	s.mux.Handle("/", s.serve(route{"", "", "", false, func(_ *Server, _ http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
		return nil, refuse("not_found", "Nothing is at this path. See /openapi.json.")
	}}))
	return s
}

// otherMethod is method_not_allowed with its Allow header.
type otherMethod struct {
	*problem
	allow string
}

func (o *otherMethod) Unwrap() error { return o.problem }

// Close ends the streams; requests under way go on.
func (s *Server) Close() { s.stop() }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.cors(w, r) {
		s.mux.ServeHTTP(w, r)
	}
}

var requestID = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)

// newRequestID makes one where the client sent none.
func newRequestID() string {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand
	return "req_" + strings.ToLower(base32.StdEncoding.EncodeToString(random[:]))
}

type requestIDKey struct{}

// serve is what every request goes through: its id, who asks, what it may, and
// how it ended.
func (s *Server) serve(route route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		id := r.Header.Get("X-Request-Id")
		if !requestID.MatchString(id) {
			id = newRequestID()
		}
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		status := http.StatusOK
		defer func() {
			s.Metrics.request(route.path, r.Method, status, time.Since(begin))
		}()
		a, err := s.handle(route, w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
		if err != nil {
			p := explain(err)
			if p.Status >= 500 {
				s.log.Error("api: request failed", "request_id", id, "code", p.Code, "err", err)
			}
			var other *otherMethod
			if errors.As(err, &other) {
				w.Header().Set("Allow", other.allow)
			}
			a = p.answer(id)
		}
		if a != nil {
			status = a.status
			s.write(w, a)
		}
	})
}

// handle authenticates, limits, and calls the handler. A panic ends one request.
func (s *Server) handle(route route, w http.ResponseWriter, r *http.Request) (a *answer, err error) {
	defer func() {
		if fault := recover(); fault == http.ErrAbortHandler {
			panic(fault) // an answer that is cut short on purpose
		} else if fault != nil {
			s.log.Error("api: handler panicked", "err", fault, "stack", string(debug.Stack()))
			a, err = nil, refuse("internal_error", "See the log of the server.")
		}
	}()
	if route.scope == "" {
		return route.handle(s, w, r, nil)
	}
	who, err := s.authenticate(r, &route)
	if err != nil {
		return nil, err
	}
	if r.Method != http.MethodGet {
		if wait := s.limits.take(who.id, time.Now()); wait > 0 {
			return nil, refuse("rate_limited", "More than %g writes a second.", s.PerSecond).after(wait)
		}
	}
	who.traceparent = r.Header.Get("traceparent")
	if who.calls = s.Calls; who.test() {
		if route.scope == "admin" {
			return nil, refuse("insufficient_scope", "A test key cannot run the server: this wants a live key with the scope admin.")
		}
		if s.TestCalls == nil {
			return nil, refuse("no_trunk_available", "There is no simulated trunk here.")
		}
		if who.calls, err = s.TestCalls(); err != nil {
			return nil, err
		}
	}
	return route.handle(s, w, r, who)
}

func (s *Server) write(w http.ResponseWriter, a *answer) {
	body, err := a.encode()
	if err != nil {
		s.log.Error("api: answer not encoded", "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	if a.body != nil {
		w.Header().Set("Content-Type", "application/json")
	}
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // a client that has gone does not care
}

func (s *Server) healthz(http.ResponseWriter, *http.Request, *caller) (*answer, error) {
	return &answer{status: 200, body: map[string]string{"status": "ok"}}, nil
}

// readyz says whether a call would be taken now, and if not, which check fails.
func (s *Server) readyz(_ http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
	p := refuse("not_ready", "")
	for _, check := range s.Ready(r.Context()) {
		if check.Err != nil {
			p.Errors = append(p.Errors, fault{Code: check.Name, Detail: check.Err.Error()})
		}
	}
	if len(p.Errors) > 0 {
		p.Detail = p.Errors[0].Code + ": " + p.Errors[0].Detail
		return nil, p
	}
	return &answer{status: 200, body: map[string]string{"status": "ready"}}, nil
}

func (s *Server) document(w http.ResponseWriter, _ *http.Request, _ *caller) (*answer, error) {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(document)
	return nil, err
}

// errorPage says what the type of a problem means; it needs no network.
func (s *Server) errorPage(w http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
	code := r.PathValue("code")
	k, known := kinds[code]
	if !known {
		return nil, refuse("not_found", "There is no error with this code.")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := w.Write([]byte(code + " (HTTP " + strconv.Itoa(k.status) + ")\n\n" + k.title + ".\n" + k.help + "\n"))
	return nil, err
}
