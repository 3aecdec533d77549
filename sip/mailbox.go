package sip

import (
	"math"
	"sync"
)

// mailboxLimit bounds what the network can make us remember for one leg. A leg
// that is alive empties its mailbox in microseconds.
const mailboxLimit = 1024

// mailbox is a queue that never blocks the one who posts, for that is often
// the goroutine that reads the socket.
type mailbox struct {
	wake chan struct{} // holds one token while the queue is not empty

	mu     sync.Mutex
	queue  []func()
	closed bool
}

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

// offer queues what the network asks for, and reports whether there was room.
func (m *mailbox) offer(f func()) bool { return m.put(f, mailboxLimit) }

// post queues what we ask for ourselves, and reports whether anybody will look.
func (m *mailbox) post(f func()) bool { return m.put(f, math.MaxInt) }

func (m *mailbox) put(f func(), limit int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || len(m.queue) >= limit {
		return false
	}
	m.queue = append(m.queue, f)
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return true
}

// take empties the box.
func (m *mailbox) take() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	queue := m.queue
	m.queue = nil
	return queue
}

// close refuses all later posts.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed, m.queue = true, nil
}
