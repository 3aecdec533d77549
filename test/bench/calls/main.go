package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	pressAfter = 300 * time.Millisecond // the rep has heard some of the prompt
	speakAfter = 300 * time.Millisecond // the prospect's phone rings
	setupPace  = 50 * time.Millisecond  // between two calls on the way to many
)

func main() {
	counts := flag.String("calls", "10,100,500", "how many calls are up, comma-separated")
	probes := flag.Int("probes", 40, "calls that are timed while the others are up")
	talk := flag.Duration("talk", 5*time.Second, "how long the relay is measured")
	path := flag.String("path", "user", "media.fast_path: user, kernel or auto")
	records := flag.Int("records", 0, "measure the API instead, on a store of so many calls")
	crowd := flag.String("crowd", "", "be the listeners of a tandem at this URL; the API's own bench starts it")
	flag.Parse()
	var err error
	switch {
	case *crowd != "":
		err = runCrowd(*crowd)
	case *records > 0:
		err = runAPI(*records, *probes)
	default:
		err = run(*counts, *probes, *talk, *path)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func run(counts string, probes int, talk time.Duration, path string) error {
	dir, err := os.MkdirTemp("", "tandem-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := build(dir)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %d cores, %s; media path: %s; p50 / p99 of %d calls\n\n", runtime.Version(), runtime.NumCPU(), time.Now().Format(time.DateOnly), path, probes)
	fmt.Println(strings.Join(columns, " | "))
	fmt.Println(strings.Repeat("--- | ", len(columns)-1) + "---")
	for text := range strings.SplitSeq(counts, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n+probes > 9999 {
			return fmt.Errorf("--calls: %q is not a number of calls", text)
		}
		own, err := os.MkdirTemp(dir, "run-")
		if err != nil {
			return err
		}
		f, err := measure(binary, own, path, n, probes, talk)
		if err != nil {
			return fmt.Errorf("%d calls: %w", n, err)
		}
		fmt.Println(f.row())
	}
	return nil
}

var columns = []string{"calls up", "POST → INVITE ms", "1 → INVITE ms", "200 → rep hears ms", "200 → prospect hears ms",
	"relay delay µs", "bare sockets µs", "CPU a call ms", "CPU a packet µs", "memory a call kB", "packets/s"}

// figures is one row.
type figures struct {
	calls                                  int
	invite, press, repHears, prospectHears []time.Duration
	relay, floor                           []time.Duration
	cpuCall, cpuPacket                     time.Duration
	memory                                 int // bytes a call
	packets                                float64
}

func (f *figures) row() string {
	ms := func(d []time.Duration) string {
		return fmt.Sprintf("%.1f / %.1f", 1e3*at(d, 50).Seconds(), 1e3*at(d, 99).Seconds())
	}
	us := func(d []time.Duration) string {
		return fmt.Sprintf("%.0f / %.0f", 1e6*at(d, 50).Seconds(), 1e6*at(d, 99).Seconds())
	}
	return strings.Join([]string{strconv.Itoa(f.calls), ms(f.invite), ms(f.press), ms(f.repHears), ms(f.prospectHears), us(f.relay), us(f.floor),
		fmt.Sprintf("%.1f", 1e3*f.cpuCall.Seconds()), fmt.Sprintf("%.1f", 1e6*f.cpuPacket.Seconds()), fmt.Sprintf("%.0f", float64(f.memory)/1024), fmt.Sprintf("%.0f", f.packets)}, " | ")
}

// at is a percentile.
func at(d []time.Duration, percent int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return d[min(len(d)*percent/100, len(d)-1)]
}

// measure runs one process with n calls.
func measure(binary, dir, path string, n, probes int, talk time.Duration) (_ *figures, err error) {
	w := &wire{}
	w.reset()
	release := make(chan struct{})
	t, err := openTrunk(w, release)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	p, err := start(binary, dir, path, t.Addr().Port(), nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	defer close(release)
	f := &figures{calls: n}
	if err := warm(p); err != nil {
		return nil, err
	}
	if err := f.setUp(p, w, n); err != nil {
		return nil, err
	}
	if err := f.relaying(p, w, talk); err != nil {
		return nil, err
	}
	for i := range probes {
		if err := f.probe(p, w, n+1+i); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// warm has the process touch all of its code once, so that it does not count.
func warm(p *process) error {
	id, err := p.call(0)
	if err != nil {
		return err
	}
	if err := p.until(id, "in_progress"); err != nil {
		return err
	}
	return p.hangUp(id)
}

func (p *process) hangUp(id string) error {
	var ended struct{ ID string }
	if err := p.do("POST", "/v1/calls/"+id+"/hangup", "", &ended); err != nil {
		return err
	}
	return p.until(id, "ended")
}

// setUp brings n calls up whose phones are all but silent.
func (f *figures) setUp(p *process, w *wire, n int) error {
	w.muted.Store(true)
	cpu, errCPU := p.cpu()
	memory, errMemory := p.memory()
	if err := errors.Join(errCPU, errMemory); err != nil {
		return err
	}
	ids := make([]string, n)
	next := time.NewTicker(setupPace)
	defer next.Stop()
	for i := range ids {
		<-next.C
		var err error
		if ids[i], err = p.call(1 + i); err != nil {
			return err
		}
	}
	time.Sleep(2 * time.Second) // all are pressed and answered by now
	cpuAfter, errCPU := p.cpu()
	memoryAfter, errMemory := p.memory()
	f.cpuCall, f.memory = (cpuAfter-cpu)/time.Duration(n), (memoryAfter-memory)/n
	for _, id := range ids {
		if err := p.until(id, "in_progress"); err != nil {
			return err
		}
	}
	return errors.Join(errCPU, errMemory)
}

// relaying lets all phones talk.
func (f *figures) relaying(p *process, w *wire, talk time.Duration) error {
	w.muted.Store(false)
	time.Sleep(time.Second)
	floor, err := openFloor()
	if err != nil {
		return err
	}
	cpu, err := p.cpu()
	if err != nil {
		return err
	}
	relayed, begin := w.relayed.Load(), time.Now()
	w.measures.Store(true)
	time.Sleep(talk)
	w.measures.Store(false)
	took := time.Since(begin)
	packets := w.relayed.Load() - relayed
	after, err := p.cpu()
	if err != nil {
		return err
	}
	if packets == 0 {
		return errors.New("nothing was relayed")
	}
	f.cpuPacket, f.packets = (after-cpu)/time.Duration(packets), float64(packets)/took.Seconds()
	w.mu.Lock()
	f.relay = w.delays
	w.mu.Unlock()
	f.floor, err = floor.close()
	return err
}

// probe places one call more, and times it.
func (f *figures) probe(p *process, w *wire, number int) error {
	w.reset()
	w.mark(posted, anyCall)
	id, err := p.call(number)
	if err != nil {
		return err
	}
	if err := p.until(id, "in_progress"); err != nil {
		return err
	}
	for range 3000 { // until both have heard
		_, rep := w.between(answered, repHears)
		if _, prospect := w.between(answered, prospectHears); rep && prospect {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, step := range []struct {
		from, to moment
		into     *[]time.Duration
	}{{posted, repInvited, &f.invite}, {pressed, prospectInvited, &f.press}, {answered, repHears, &f.repHears}, {answered, prospectHears, &f.prospectHears}} {
		took, ok := w.between(step.from, step.to)
		if !ok {
			return fmt.Errorf("call %s: %s, but never %s", id, step.from, step.to)
		}
		*step.into = append(*step.into, took)
	}
	return p.hangUp(id)
}
