package api

import (
	"sync"
	"time"
)

// limiter is a token bucket for each key. Zero perSecond = no limit.
type limiter struct {
	perSecond float64
	burst     float64
	mu        sync.Mutex
	buckets   map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(perSecond float64, burst int) *limiter {
	return &limiter{perSecond: perSecond, burst: float64(max(1, burst)), buckets: make(map[string]bucket)}
}

// take takes a token, or says how long until there is one.
func (l *limiter) take(key string, now time.Time) (wait time.Duration) {
	if l.perSecond <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[key]
	if !known {
		b = bucket{l.burst, now}
	}
	b.tokens = min(l.burst, b.tokens+now.Sub(b.at).Seconds()*l.perSecond)
	b.at = now
	if b.tokens >= 1 {
		b.tokens--
	} else {
		wait = time.Duration((1 - b.tokens) / l.perSecond * float64(time.Second))
	}
	l.buckets[key] = b
	return wait
}
