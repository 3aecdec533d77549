package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tandem/bridge"
	"tandem/store"
)

// feedSize is how many of the newest events are held for the streams that are
// up: some 3 MB. A stream that is behind them reads the store.
const feedSize = 1000

// feed reads the stream of events once, however many follow it, and wakes those
// whom an event concerns. It reads while somebody follows.
type feed struct {
	store *store.Store
	show  func(*store.Envelope) Event
	log   *slog.Logger

	mu        sync.Mutex
	ring      []frame // oldest first
	from      int64   // every event after this one, up to last, is in ring
	last      int64
	followers map[*follower]bool
	stop      context.CancelFunc // of the reader, nil = none
}

// frame is one event as a stream says it.
type frame struct {
	seq      int64
	envelope *store.Envelope
	text     []byte
}

// follower is one stream.
type follower struct {
	filter store.EventFilter
	wake   chan struct{} // has room for one: there is something for it
}

// join makes a follower, who must leave. From here on it is woken.
func (f *feed) join(ctx context.Context, filter store.EventFilter) (*follower, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop == nil {
		_, newest, err := f.store.EventRange(ctx)
		if err != nil {
			return nil, err
		}
		f.ring, f.from, f.last = nil, newest, newest
		reading, stop := context.WithCancel(context.Background())
		f.stop = stop
		go f.read(reading, newest)
	}
	w := &follower{filter: filter, wake: make(chan struct{}, 1)}
	f.followers[w] = true
	return w, nil
}

// leave is the end of a follower; the last one takes the reader along.
func (f *feed) leave(w *follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if delete(f.followers, w); len(f.followers) == 0 {
		f.stop()
		f.stop, f.ring = nil, nil
	}
}

// read puts what is written into the ring, until ctx ends.
func (f *feed) read(ctx context.Context, after int64) {
	for {
		changed := f.store.Changed()
		envelopes, err := f.store.EventsAfter(ctx, after, store.EventFilter{Everything: true}, eventsPage)
		if err != nil && ctx.Err() == nil {
			f.log.Error("api: events not read", "err", err) // the next change tries again
		}
		frames := make([]frame, len(envelopes))
		for i := range envelopes {
			frames[i] = frame{seq: envelopes[i].Seq, envelope: &envelopes[i], text: eventText(f.show(&envelopes[i]))}
			after = envelopes[i].Seq
		}
		if len(frames) > 0 {
			f.publish(ctx, frames)
		}
		if len(envelopes) == eventsPage {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// So many followers are woken at a time, and the next so much later.
const (
	abreast = 8
	breath  = time.Millisecond
)

// publish puts frames into the ring, and wakes whom they concern, a few at a time: a
// call that has something to do meanwhile finds a processor, however many there are.
func (f *feed) publish(ctx context.Context, frames []frame) {
	for i, w := range f.keep(ctx, frames) {
		select {
		case w.wake <- struct{}{}:
		default: // woken already
		}
		if i%abreast == abreast-1 {
			time.Sleep(breath)
		}
	}
}

// keep returns whom frames concern.
func (f *feed) keep(ctx context.Context, frames []frame) (whom []*follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		return nil // another reader has taken over
	}
	f.ring = append(f.ring, frames...)
	f.last = frames[len(frames)-1].seq
	if over := len(f.ring) - feedSize; over > 0 {
		f.from = f.ring[over-1].seq
		f.ring = append(make([]frame, 0, feedSize+eventsPage), f.ring[over:]...)
	}
	for w := range f.followers {
		if slices.ContainsFunc(frames, func(fr frame) bool { return w.filter.Takes(fr.envelope) }) {
			whom = append(whom, w)
		}
	}
	return whom
}

// next is what comes after an event, and up to which event all was looked at.
func (f *feed) next(ctx context.Context, after int64, filter *store.EventFilter) (frames []frame, upTo int64, err error) {
	f.mu.Lock()
	held, last := after >= f.from, f.last
	if held {
		news, _ := slices.BinarySearchFunc(f.ring, after+1, func(fr frame, seq int64) int { return cmp.Compare(fr.seq, seq) })
		for _, fr := range f.ring[news:] {
			if filter.Takes(fr.envelope) {
				frames = append(frames, fr)
			}
		}
	}
	f.mu.Unlock()
	if held {
		return frames, max(after, last), nil
	}
	envelopes, err := f.store.EventsAfter(ctx, after, *filter, eventsPage)
	if err != nil {
		return nil, 0, err
	}
	for i := range envelopes {
		frames = append(frames, frame{seq: envelopes[i].Seq, envelope: &envelopes[i], text: eventText(f.show(&envelopes[i]))})
	}
	if len(envelopes) == eventsPage {
		return frames, envelopes[eventsPage-1].Seq, nil
	}
	if n := len(envelopes); n > 0 {
		last = max(last, envelopes[n-1].Seq)
	}
	return frames, last, nil
}

// eventText is an event in a stream (HTML, Server-sent events §9.2.6).
func eventText(e Event) []byte {
	data, err := json.Marshal(e)
	if err != nil {
		panic(fmt.Sprintf("event %d: %v", e.Seq, err)) // our own types: they all have a form
	}
	return fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Type, data)
}

// ends reports whether frames hold the end of a call. What else is said of the end
// is of the same write.
func ends(frames []frame) bool {
	for _, fr := range frames {
		if fr.envelope.Event.Type == bridge.CallEnded {
			return true
		}
	}
	return false
}
