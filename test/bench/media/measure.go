//go:build linux && (amd64 || arm64)

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// result is one target under one load.
type result struct {
	target  string
	calls   int
	packets int // relayed, of those sent
	sent    int
	skipped int           // which the load had no time to send
	process time.Duration // CPU of the relay for one relayed packet
	all     time.Duration // and of the far ends, and of the kernel's threads for packets
	machine time.Duration // and of everything on the machine, whatever it does
	delays  [3]time.Duration
	memory  int64   // octets, resident
	allocs  float64 // a packet; negative = not known
	program time.Duration
}

var quantiles = [...]float64{0.5, 0.99, 0.999}

// run loads one target.
func run(name string, t target, calls int, warm, length time.Duration) (r result, err error) {
	r = result{target: name, calls: calls}
	l, err := newLoad()
	if err != nil {
		return r, err
	}
	ports, err := t.start(calls, l.a.at, l.b.at)
	if err != nil {
		return r, err
	}
	l.aim(ports)
	l.run()
	time.Sleep(warm)

	mallocs := t.allocs()
	asking := t.allocs() - mallocs // which allocates, too
	began := time.Now()
	process, all, idle := processTime(t.pid()), packetTime(), idleTime()
	l.to.Store(began.Add(length).UnixNano())
	l.from.Store(began.UnixNano())
	time.Sleep(length)
	took := time.Since(began) * time.Duration(runtime.NumCPU())
	process, all, machine := processTime(t.pid())-process, packetTime()-all, took-(idleTime()-idle)
	if mallocs >= 0 {
		mallocs = t.allocs() - mallocs - 2*asking
	}
	r.memory = resident(t.pid())
	if name == "tandem kernel" {
		r.program = programCost(t.pid())
	}
	delays := l.end()
	if err := t.stop(); err != nil {
		return r, err
	}
	r.sent, r.skipped, r.packets = int(l.sent.Load()), int(l.skipped.Load()), len(delays)
	if len(delays) == 0 {
		return r, fmt.Errorf("%s relayed none of %d packets", name, r.sent)
	}
	each := time.Duration(len(delays))
	r.process, r.all, r.machine = process/each, (process+all)/each, machine/each
	r.allocs = float64(max(mallocs, -1)) / float64(len(delays))
	slices.Sort(delays)
	for i, q := range quantiles {
		r.delays[i] = time.Duration(delays[int(q*float64(len(delays)-1))]) + r.program
	}
	return r, nil
}

// statistics is where the kernel is told to time eBPF programs.
const statistics = "/proc/sys/kernel/bpf_stats_enabled"

// programCost is the mean time of a process's eBPF program. It is timed by
// itself, for that costs too. A packet that goes by lo is stamped as received
// before the program runs, so its time is added to the delays.
func programCost(pid int) time.Duration {
	if os.WriteFile(statistics, []byte("1"), 0) != nil {
		return 0
	}
	ns, runs := programTime(pid)
	time.Sleep(time.Second)
	after, more := programTime(pid)
	_ = os.WriteFile(statistics, []byte("0"), 0)
	if more == runs {
		return 0
	}
	return time.Duration((after - ns) / (more - runs))
}

// packetTime is what the far ends, which are this process, and the kernel's
// threads for packets have used. A packet by loopback is worked on by whoever
// sends it, or by those.
func packetTime() time.Duration {
	sum := processTime(os.Getpid())
	for _, pid := range softirqs() {
		sum += processTime(pid)
	}
	return sum
}

// softirqs finds the kernel's threads for packets.
var softirqs = sync.OnceValue(func() (pids []int) {
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, name := range names {
		if text, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(text), "ksoftirqd/") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			pids = append(pids, pid)
		}
	}
	return pids
})

// processTime is what a process's threads have used.
func processTime(pid int) (sum time.Duration) {
	if pid == 0 {
		return 0
	}
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, t := range tasks {
		text, err := os.ReadFile(dir + "/" + t.Name() + "/schedstat")
		if err != nil {
			continue
		}
		ns, _, _ := strings.Cut(string(text), " ")
		n, _ := strconv.ParseInt(ns, 10, 64)
		sum += time.Duration(n)
	}
	return sum
}

// idleTime is how long the processors had nothing to do, all together. It is
// what the kernel measures; how long they were busy it only samples, a few
// hundred times a second, and who wakes for a few µs it seldom sees.
func idleTime() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line) // cpu, user, nice, system, idle, iowait …
	if len(fields) < 6 {
		return 0
	}
	idle, _ := strconv.ParseInt(fields[4], 10, 64)
	waiting, _ := strconv.ParseInt(fields[5], 10, 64)
	return time.Duration(idle+waiting) * time.Second / 100 // USER_HZ
}

func resident(pid int) int64 {
	if pid == 0 {
		return 0
	}
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	return field(string(text), "VmRSS:") << 10
}

// field is the number after a name; 0 = there is none.
func field(text, name string) int64 {
	_, after, _ := strings.Cut(text, name)
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(fields[0], 10, 64)
	return n
}
