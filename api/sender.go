package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"tandem/store"
)

const (
	perEndpoint   = 4 // attempts at once
	connectWithin = 10 * time.Second

	atOnce   = 4                // attempts begun together, of all endpoints: calls need a processor, too
	breather = time.Millisecond // before the next are begun

	readAhead   = 64          // deliveries of an endpoint that are read at once
	keptAtOnce  = 8           // attempts written in one transaction: a call may have to wait for it
	mostUnkept  = 32          // attempts that wait to be written: beyond, none is made; a crash repeats them
	storeAgain  = time.Second // between two tries while the store cannot be written
	lookAgainIn = time.Minute // when nothing is due
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
	bodies bodies
	life   context.Context
	stop   context.CancelFunc
	wait   sync.WaitGroup

	// Of the loop's goroutine.
	lanes  map[string]*lane
	rested time.Time       // attempts may begin again
	unkept []store.Attempt // over, and not yet being written

	attempts sync.WaitGroup
	over     chan outcome
	kept     chan []store.Attempt
}

// lane is one endpoint: its own attempts, so that a dead one delays no other.
type lane struct {
	due      []store.Delivery // read, not yet attempted
	posting  int              // attempts under way
	inFlight map[int64]bool   // attempted, and how it ended is not yet kept
	next     time.Time        // when something is due that was not read, zero = nothing is known
	look     bool             // there may be something due that was not read
}

// outcome is an attempt that is over, or could not be made.
type outcome struct {
	store.Attempt
	failed error
}

// NewSender starts sending.
func NewSender(cfg SenderConfig) *Sender {
	s := &Sender{SenderConfig: cfg, store: cfg.Server.Store, log: cfg.Log, lanes: make(map[string]*lane),
		over: make(chan outcome), kept: make(chan []store.Attempt, 1)}
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
	s.wait.Go(s.spread)
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

// spread has events go to whom they concern, as they are written.
func (s *Sender) spread() {
	for {
		changed := s.store.Changed()
		again := time.After(lookAgainIn)
		more, err := s.store.Spread(s.life)
		if err != nil && s.life.Err() == nil {
			s.log.Error("webhooks: deliveries not written", "err", err)
			again = time.After(storeAgain)
		}
		if more {
			continue
		}
		select {
		case <-changed:
		case <-again:
		case <-s.life.Done():
			return
		}
	}
}

// loop starts attempts as they come due, and has written how they ended, a few at a
// time: what ended while the last few were being written.
func (s *Sender) loop() {
	s.lookEverywhere()
	keeping := false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		changed := s.store.Changed()
		for _, id := range s.store.TakeTouched() {
			s.lane(id).look = true
		}
		if n := min(len(s.unkept), keptAtOnce); n > 0 && !keeping {
			keeping = true
			few := s.unkept[:n:n]
			s.unkept = s.unkept[n:]
			s.wait.Go(func() { s.keep(few) })
		}
		timer.Reset(time.Until(s.launchAll()))
		select {
		case <-changed:
		case <-timer.C:
		case o := <-s.over:
			s.ended(o)
		case few := <-s.kept:
			keeping = false
			for i := range few {
				l := s.lane(few[i].Endpoint)
				delete(l.inFlight, few[i].ID)
				l.look = true
			}
		case <-s.life.Done():
			s.finish()
			return
		}
	}
}

// finish keeps what attempts came to that were over in time.
func (s *Sender) finish() {
	go func() { s.attempts.Wait(); close(s.over) }()
	for o := range s.over {
		s.ended(o)
	}
	if err := s.store.Finished(context.WithoutCancel(s.life), s.unkept); err != nil {
		s.log.Error("webhooks: attempts not kept", "err", err)
	}
}

// ended frees the lane for another attempt.
func (s *Sender) ended(o outcome) {
	l := s.lane(o.Endpoint)
	l.posting--
	if o.failed == nil {
		s.unkept = append(s.unkept, o.Attempt)
		return
	}
	delete(l.inFlight, o.ID)
	l.look, l.next = false, time.Now().Add(storeAgain)
}

// keep writes how attempts ended, however long the store cannot be written; they are
// not made again meanwhile.
func (s *Sender) keep(few []store.Attempt) {
	for {
		err := s.store.Finished(context.WithoutCancel(s.life), few)
		if err == nil {
			s.kept <- few
			return
		}
		s.log.Error("webhooks: attempts not kept", "err", err)
		select {
		case <-time.After(storeAgain):
		case <-s.life.Done():
			return
		}
	}
}

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

// launchAll starts what is due, a little at a time, and says when the next is.
func (s *Sender) launchAll() (next time.Time) {
	now, begun := time.Now(), 0
	if now.Before(s.rested) {
		return s.rested
	}
	next = now.Add(lookAgainIn)
	for id, l := range s.lanes {
		if len(l.due) == 0 && (l.look || !l.next.IsZero() && !l.next.After(now)) {
			s.read(id, l, now)
		}
		for len(l.due) > 0 && l.posting < perEndpoint && len(s.unkept) < mostUnkept {
			if begun++; begun > atOnce {
				s.rested = now.Add(breather)
				return s.rested
			}
			s.launch(l, l.due[0])
			l.due = l.due[1:]
		}
		if !l.next.IsZero() && l.next.Before(next) && len(l.due) == 0 {
			next = l.next
		}
	}
	return next
}

// read finds what is due on a lane and not under way.
func (s *Sender) read(id string, l *lane, now time.Time) {
	limit := len(l.inFlight) + readAhead
	due, next, err := s.store.Due(s.life, id, now, limit)
	if err != nil {
		s.log.Error("webhooks: deliveries not read", "err", err)
		l.look, l.next = false, now.Add(storeAgain)
		return
	}
	l.look, l.next = len(due) == limit, next
	for _, d := range due {
		if !l.inFlight[d.ID] {
			l.due = append(l.due, d)
		}
	}
}

func (s *Sender) launch(l *lane, d store.Delivery) {
	l.posting++
	l.inFlight[d.ID] = true
	s.attempts.Go(func() {
		a, err := s.attempt(s.life, d)
		if err != nil && !errors.Is(err, errUnwanted) && s.life.Err() == nil {
			s.log.Error("webhooks: attempt not made", "err", err)
		}
		s.over <- outcome{a, err}
	})
}
