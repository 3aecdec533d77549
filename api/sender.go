package api

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"tandem/store"
)

const (
	perEndpoint   = 4 // attempts at once
	connectWithin = 10 * time.Second
)

// SenderConfig is what a Sender needs. Everything but Log and Metrics is needed.
type SenderConfig struct {
	Server       *Server           // shows events as the API does
	Timeout      time.Duration     // of one attempt
	DisableAfter time.Duration     // an endpoint that fails that long gets no more
	Private      bool              // private networks may be sent to
	Transport    http.RoundTripper // nil = the network
	Log          *slog.Logger      // nil = none
}

// Sender sends events to webhook endpoints, from New until Close.
type Sender struct {
	SenderConfig
	store  *store.Store
	log    *slog.Logger
	client *http.Client
	life   context.Context
	stop   context.CancelFunc
	wait   sync.WaitGroup

	lanes map[string]*lane // of the loop's goroutine
	over  chan outcome
}

// lane is one endpoint: its own attempts, so that a dead one delays no other.
type lane struct {
	inFlight map[int64]bool
	next     time.Time // when something is due, zero = nothing is known
	look     bool      // there may be something due
}

// outcome tells the loop that an attempt is over.
type outcome struct {
	endpoint string
	id       int64
	failed   error // the store would not have it
}

// NewSender starts sending.
func NewSender(cfg SenderConfig) *Sender {
	s := &Sender{SenderConfig: cfg, store: cfg.Server.Store, log: cfg.Log, lanes: make(map[string]*lane), over: make(chan outcome)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Transport == nil {
		// No proxy: it would dial for us, and the guard would see its address only.
		cfg.Transport = &http.Transport{DialContext: dialer(cfg.Private).DialContext, TLSHandshakeTimeout: connectWithin,
			MaxIdleConnsPerHost: perEndpoint, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true}
	}
	s.client = &http.Client{
		Timeout: cfg.Timeout, Transport: cfg.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s.life, s.stop = context.WithCancel(context.Background())
	s.wait.Go(s.loop)
	return s
}

// Close stops sending; attempts under way are cut off, and made again by the
// next process.
func (s *Sender) Close() {
	s.stop()
	s.wait.Wait()
	s.client.CloseIdleConnections()
}

// loop starts attempts as they come due.
func (s *Sender) loop() {
	s.lookEverywhere()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		changed := s.store.Changed()
		for _, id := range s.store.TakeTouched() {
			s.lane(id).look = true
		}
		now := time.Now()
		earliest := now.Add(time.Minute)
		for id, l := range s.lanes {
			if l.look || !l.next.IsZero() && !l.next.After(now) {
				s.launch(id, l, now)
			}
			if !l.next.IsZero() && l.next.Before(earliest) && len(l.inFlight) < perEndpoint {
				earliest = l.next
			}
		}
		timer.Reset(time.Until(earliest))
		select {
		case <-changed:
		case <-timer.C:
		case o := <-s.over:
			l := s.lane(o.endpoint)
			delete(l.inFlight, o.id)
			if l.look = true; o.failed != nil {
				l.look, l.next = false, time.Now().Add(storeAgain)
			}
		case <-s.life.Done():
			return
		}
	}
}

// storeAgain is between two tries while the store cannot be written.
const storeAgain = time.Second

// lookEverywhere finds what an earlier process left.
func (s *Sender) lookEverywhere() {
	endpoints, err := s.store.Endpoints(s.life)
	if err != nil {
		s.log.Error("webhooks: endpoints not read", "err", err)
	}
	for i := range endpoints {
		s.lane(endpoints[i].ID).look = true
	}
}

func (s *Sender) lane(id string) *lane {
	l := s.lanes[id]
	if l == nil {
		l = &lane{inFlight: make(map[int64]bool)}
		s.lanes[id] = l
	}
	return l
}

// launch starts what is due on a lane, as far as it has room.
func (s *Sender) launch(id string, l *lane, now time.Time) {
	room := perEndpoint - len(l.inFlight)
	if room <= 0 {
		return
	}
	due, next, err := s.store.Due(s.life, id, now, perEndpoint)
	if err != nil {
		s.log.Error("webhooks: deliveries not read", "err", err)
		l.look, l.next = false, now.Add(storeAgain)
		return
	}
	l.look, l.next = false, next
	for _, d := range due {
		if l.inFlight[d.ID] || room == 0 {
			continue
		}
		room--
		l.inFlight[d.ID] = true
		s.wait.Go(func() {
			err := s.attempt(s.life, d)
			if err != nil && s.life.Err() == nil {
				s.log.Error("webhooks: attempt not kept", "err", err)
			}
			select {
			case s.over <- outcome{d.Endpoint, d.ID, err}:
			case <-s.life.Done():
			}
		})
	}
}
