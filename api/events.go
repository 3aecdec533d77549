package api

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"tandem/store"
)

const (
	eventsPage = 500
	heartbeat  = 15 * time.Second
	slowClient = 5 * time.Second // to take what is written
)

// eventPage is one page of events.
type eventPage struct {
	Data      []Event `json:"data"`
	NextAfter *int64  `json:"next_after"` // null = there are no more
}

// allEvents is GET /v1/events: a stream, or a page of it by Accept.
func (s *Server) allEvents(w http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	filter := store.EventFilter{Test: who.test(), Rep: r.URL.Query().Get("rep_id")}
	if who.rep != nil {
		filter.Rep = who.rep.ID
	}
	if types := r.URL.Query().Get("types"); types != "" {
		filter.Types = strings.Split(types, ",")
	}
	after, resumed, err := resumeFrom(r)
	if err != nil {
		return nil, err
	}
	oldest, newest, err := s.Store.EventRange(r.Context())
	switch {
	case err != nil:
		return nil, err
	case resumed && after > 0 && after < oldest-1:
		return nil, refuse("events_expired", "Event %d is the oldest that is kept.", oldest)
	case !resumed && wantsStream(r):
		after = newest
	}
	return s.events(w, r, after, filter, false)
}

// callEvents is GET /v1/calls/{call_id}/events.
func (s *Server) callEvents(w http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	if _, err := s.find(r, who); err != nil {
		return nil, err
	}
	after, _, err := resumeFrom(r)
	if err != nil {
		return nil, err
	}
	return s.events(w, r, after, store.EventFilter{Test: who.test(), Call: r.PathValue("call_id")}, true)
}

// resumeFrom reads where the client stopped.
func resumeFrom(r *http.Request) (after int64, given bool, err error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("after")
	}
	if text == "" {
		return 0, false, nil
	}
	after, err = strconv.ParseInt(text, 10, 64)
	if err != nil || after < 0 {
		return 0, false, refuse("malformed_parameter", "Last-Event-ID (or after) is the number of an event.")
	}
	return after, true, nil
}

func wantsStream(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "text/event-stream")
}

// events answers with a page, or streams. A stream of one call ends with it.
func (s *Server) events(w http.ResponseWriter, r *http.Request, after int64, filter store.EventFilter, oneCall bool) (*answer, error) {
	if wantsStream(r) {
		return nil, s.stream(w, r, after, filter, oneCall)
	}
	envelopes, err := s.Store.EventsAfter(r.Context(), after, filter, eventsPage)
	if err != nil {
		return nil, err
	}
	p := eventPage{Data: make([]Event, len(envelopes))}
	for i := range envelopes {
		p.Data[i] = s.eventJSON(&envelopes[i])
	}
	if len(envelopes) == eventsPage {
		p.NextAfter = &envelopes[eventsPage-1].Seq
	}
	return &answer{status: 200, body: p}, nil
}

// stream sends events as they are written, until the client goes, is too slow,
// or the server stops.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, after int64, filter store.EventFilter, oneCall bool) error {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	s.Metrics.clients(1)
	defer s.Metrics.clients(-1)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	out := http.NewResponseController(w)
	send := func(frames ...frame) error {
		for _, fr := range frames {
			if err := out.SetWriteDeadline(time.Now().Add(slowClient)); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return err
			}
			if _, err := w.Write(fr.text); err != nil {
				return err
			}
		}
		return out.Flush()
	}
	err := s.follow(ctx, after, filter, oneCall, send)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.Metrics.dropped()
		s.log.Info("api: slow stream dropped")
	}
	return nil // the answer has begun: there is nobody to tell
}

// follow sends every event after one, and those that come.
func (s *Server) follow(ctx context.Context, after int64, filter store.EventFilter, oneCall bool, send func(...frame) error) error {
	if err := send(frame{text: []byte("retry: 2000\n\n")}); err != nil {
		return err
	}
	stream, err := s.feed.join(ctx, filter)
	if err != nil {
		return err
	}
	defer s.feed.leave(stream)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for over := false; ; {
		frames, upTo, err := s.feed.next(ctx, after, &filter)
		if err != nil {
			return err
		}
		if len(frames) > 0 {
			if err := send(frames...); err != nil {
				return err
			}
		}
		over = over || oneCall && ends(frames)
		if len(frames) > 0 && upTo > after {
			after = upTo
			continue
		}
		if after = upTo; over {
			return nil
		}
		select {
		case <-stream.wake:
		case <-beat.C:
			if err := send(frame{text: []byte(": still here\n\n")}); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
