package store

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// What a call waits for does not stand behind the books of deliveries, however
// many of those wait.
func TestCallsGoBeforeTheBooks(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	begun, release := make(chan struct{}), make(chan struct{})
	var done atomic.Int32
	var wait sync.WaitGroup
	wait.Go(func() {
		_ = s.do(t.Context(), func(context.Context, *tx) error { close(begun); <-release; return nil })
	})
	<-begun
	for range 200 {
		s.later <- &write{ctx: t.Context(), later: true, done: make(chan error, 1), do: func(context.Context, *tx) error { done.Add(1); return nil }}
	}
	before := make(chan int32, 1)
	urgent := &write{ctx: t.Context(), done: make(chan error, 1), do: func(context.Context, *tx) error { before <- done.Load(); return nil }}
	s.queue <- urgent
	close(release)
	if err := <-urgent.done; err != nil {
		t.Error(err)
	}
	if n := <-before; n > 2*maxLater {
		t.Errorf("%d of the books went first", n)
	}
	wait.Wait()
	for len(s.later) > 0 { // they are not forgotten
		if err := s.do(t.Context(), func(context.Context, *tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
}
