package api

import (
	"context"
	"encoding/json"
	"sync"
)

// bodiesHeld is how many of the newest events are held for the endpoints that are
// yet to get them: some 3 MB.
const bodiesHeld = 1000

// bodies are events as they are sent, each read and written once for all endpoints.
type bodies struct {
	mu     sync.Mutex
	bySeq  map[int64]webhookBody
	oldest []int64
}

type webhookBody struct {
	id   string // of the event
	text []byte
}

// of returns an event's body.
func (b *bodies) of(ctx context.Context, s *Server, seq int64) (webhookBody, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if held, ok := b.bySeq[seq]; ok {
		return held, nil
	}
	event, err := s.Store.Event(ctx, seq)
	if err != nil {
		return webhookBody{}, err
	}
	text, err := json.Marshal(s.eventJSON(&event))
	if err != nil {
		return webhookBody{}, err
	}
	if b.bySeq == nil {
		b.bySeq = make(map[int64]webhookBody)
	}
	if len(b.oldest) == bodiesHeld {
		delete(b.bySeq, b.oldest[0])
		b.oldest = b.oldest[1:]
	}
	made := webhookBody{event.Event.ID, text}
	b.bySeq[seq], b.oldest = made, append(b.oldest, seq)
	return made, nil
}
