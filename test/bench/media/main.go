//go:build linux && (amd64 || arm64)

// Command media compares what relaying a packet of sound costs: over a bare
// socket pair (the floor), by tandem's two paths, by a plain goroutine relay,
// and by rtpengine, which are loaded with the same streams, in turn, on one
// machine, over the loopback of a network of its own. It needs root, rtpengine
// and a machine that does nothing else:
//
//	go run ./test/bench/media -rounds 5 -for 10s -out bench
//	go run ./test/bench/media -soak 10m -calls 500
//
// The second does to calls what happens to calls, by the kernel path, and fails
// if memory grows, or a flow, a port or a file is left; a test does so for 8 s.
//
// On a machine that does something else, all that is measured can be given
// real-time priority, so that it waits for itself only:
//
//	go build -o /tmp/bench ./test/bench/media && chrt -r 5 /tmp/bench -out bench
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// alone is set once the network is our own, and undisturbed keeps the runtime from
// waking the load's threads by signals.
const (
	alone       = "TANDEM_BENCH_ALONE"
	undisturbed = "GODEBUG=asyncpreemptoff=1"
)

func main() {
	mode := flag.String("relay", "", "be a relay: for this program itself")
	rounds := flag.Int("rounds", 3, "how often each is loaded")
	length := flag.Duration("for", 5*time.Second, "how long")
	warm := flag.Duration("warm", 8*time.Second, "how long before that: until each leg has sent a report")
	counts := flag.String("calls", "50,300,1000", "how many calls")
	only := flag.String("only", "", "names of targets, with commas; all if empty")
	out := flag.String("out", "media-bench", "files to write: NAME.md and NAME.svg")
	soaking := flag.Duration("soak", 0, "instead: have calls of this many held, moved, prompted and ended at random for so long")
	flag.Parse()
	var err error
	switch {
	case *mode != "":
		err = relay(*mode)
	case os.Getenv(alone) == "":
		err = again()
	case *soaking > 0:
		err = soakAlone(*counts, *soaking)
	default:
		err = bench(*rounds, *counts, *only, *warm, *length, *out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "media:", err)
		os.Exit(1)
	}
}

// again runs this program once more, in a network of its own.
func again() error {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), alone+"=1", undisturbed)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	return cmd.Run()
}

func loopback() error {
	if text, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, text)
	}
	return nil
}

func bench(rounds int, counts, only string, warm, length time.Duration, out string) error {
	if err := loopback(); err != nil {
		return err
	}
	loads, err := numbers(counts)
	if err != nil {
		return err
	}
	var results []result
	for round := range rounds {
		for _, calls := range loads {
			for _, i := range rand.Perm(len(targets)) {
				if only != "" && !slices.Contains(strings.Split(only, ","), targets[i].name) {
					continue
				}
				t := targets[i].make()
				r, err := run(targets[i].name, t, calls, warm, length)
				if err != nil {
					return errors.Join(fmt.Errorf("%s, %d calls: %w", targets[i].name, calls, err), t.stop())
				}
				fmt.Printf("round %d  %s\n", round+1, r.line())
				results = append(results, r)
			}
		}
	}
	return report(out, results, rounds, length)
}

// soakAlone is soak in the network that again has made.
func soakAlone(counts string, length time.Duration) error {
	loads, err := numbers(counts)
	if err != nil {
		return err
	}
	if err := loopback(); err != nil {
		return err
	}
	return soak(loads[0], length)
}

func numbers(text string) (all []int, err error) {
	for _, field := range strings.Split(text, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 || 2*n > (lastPort-firstPort)/2 {
			return nil, fmt.Errorf("-calls: %q is no number of calls from 1 to %d", field, (lastPort-firstPort)/4)
		}
		all = append(all, n)
	}
	return all, nil
}
