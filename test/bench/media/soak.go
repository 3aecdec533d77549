//go:build linux && (amd64 || arm64)

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"tandem/media"
)

// What a soak does, and what it puts up with.
const (
	actEvery  = 5 * time.Second // on one call
	tellEvery = 10 * time.Second
	growth    = 1.3     // of the heap, from the first tenth to the end …
	slack     = 8 << 20 // … and so many octets, which are nothing to a heap that leaks for long
	ownFiles  = 16      // the runtime's, and pidfds
)

// soaked is one call of a soak.
type soaked struct {
	a, b   *media.Stream
	to, fr *stream // of the far ends: what a's sends, what b's sends
	held   bool
}

// soak holds, re-invites, prompts, ends and begins calls at random.
func soak(count int, length time.Duration) error {
	files := openFiles()
	l, err := newLoad()
	if err != nil {
		return err
	}
	b, err := openBridge("kernel", 2*count)
	if err != nil {
		return err
	}
	calls := make([]*soaked, count)
	for i := range calls {
		calls[i] = &soaked{}
		var p ports
		if calls[i].a, calls[i].b, p, err = b.call(l.a.at, l.b.at); err != nil {
			return err
		}
		l.aim([]ports{p})
		calls[i].to, calls[i].fr = l.streams[2*i], l.streams[2*i+1]
	}
	l.run()
	if err := b.disturb(l, calls, length); err != nil {
		return err
	}
	l.end()
	for _, c := range calls {
		c.a.Close()
		c.b.Close()
	}
	left := fmt.Sprintf("%d flows, %d streams below, %d ports in use", b.table.Len(), b.pool.Below(), b.pool.InUse())
	err = errors.Join(b.pool.Close(), b.table.Close())
	fmt.Printf("left: %s, %d files (%d before)\n", left, openFiles(), files)
	if left != "0 flows, 0 streams below, 0 ports in use" || openFiles() > files+ownFiles {
		err = errors.Join(err, errors.New("something is left"))
	}
	return err
}

// disturb does it, and looks at the heap.
func (b bridge) disturb(l *load, calls []*soaked, length time.Duration) error {
	began, told, tell := time.Now(), time.Now(), min(tellEvery, length/10)
	var first, acts uint64
	went := false
	for time.Since(began) < length {
		time.Sleep(actEvery / time.Duration(len(calls)))
		if err := b.act(l, calls[rand.IntN(len(calls))]); err != nil {
			return err
		}
		acts++
		if time.Since(told) < tell {
			continue
		}
		told = time.Now()
		heap := heapInUse()
		fmt.Printf("%v: %d acts, %d of %d streams below, heap %.1f MiB\n", time.Since(began).Round(time.Second), acts, b.pool.Below(), 2*len(calls), float64(heap)/(1<<20))
		if first == 0 && time.Since(began) > length/10 {
			first = heap
		}
		if b.pool.Below() > 0 {
			went = true
		}
	}
	if !went {
		return errors.New("no stream went by the kernel")
	}
	if last := heapInUse(); float64(last) > growth*float64(first)+slack {
		return fmt.Errorf("the heap grew from %d to %d octets", first, last)
	}
	return nil
}

// act does one thing to a call.
func (b bridge) act(l *load, c *soaked) (err error) {
	switch rand.IntN(5) {
	case 0: // hold, or resume
		direction := map[bool]string{true: "sendrecv", false: "sendonly"}[c.held]
		c.held = !c.held
		_, err = c.a.Reoffer(describe(l.a.at, direction))
	case 1: // re-INVITE that changes nothing
		_, err = c.b.Reoffer(describe(l.b.at, "sendrecv"))
	case 2: // a prompt
		stop := c.b.Play(media.Tick())
		stop()
	case 3: // key presses are listened for, for a while
		_, deaf := c.a.Listen()
		deaf()
	case 4: // the end, and another call
		c.a.Close()
		c.b.Close()
		var p ports
		if c.a, c.b, p, err = b.call(l.a.at, l.b.at); err == nil {
			c.to.aim(p.A)
			c.fr.aim(p.B)
			c.held = false
		}
	}
	return err
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

func openFiles() int {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(files)
}
