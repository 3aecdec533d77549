//go:build linux && (amd64 || arm64)

package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// line is a result for who watches.
func (r result) line() string {
	return fmt.Sprintf("%-14s %5d calls  CPU a packet: process %6.2f  with load %6.2f  machine %6.2f µs  delay p50 %7.1f  p99 %8.1f  p99.9 %8.1f µs  lost %d of %d  %s",
		r.target, r.calls, micros(r.process), micros(r.all), micros(r.machine), micros(r.delays[0]), micros(r.delays[1]), micros(r.delays[2]),
		r.lost(), r.sent, r.room()) + r.warning()
}

// warning is for a result that says little.
func (r result) warning() string {
	if r.skipped == 0 {
		return ""
	}
	return fmt.Sprintf("  (%d were not sent in time: the machine is busy)", r.skipped)
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func (r result) lost() int { return max(0, r.sent-r.packets) }

func (r result) room() string {
	text := "—"
	if r.memory > 0 {
		text = fmt.Sprintf("%.0f MiB", float64(r.memory)/(1<<20))
	}
	if r.allocs >= 0 {
		text += fmt.Sprintf(", %.4f allocations a packet", r.allocs)
	}
	return text
}

// median puts several rounds together, figure by figure. What is lost is added up.
func median(all []result) result {
	m := all[0]
	m.sent, m.packets, m.skipped = 0, 0, 0
	for _, r := range all {
		m.sent += r.sent
		m.packets += r.packets
		m.skipped += r.skipped
	}
	m.process = middle(all, func(r result) time.Duration { return r.process })
	m.all = middle(all, func(r result) time.Duration { return r.all })
	m.machine = middle(all, func(r result) time.Duration { return r.machine })
	m.program = middle(all, func(r result) time.Duration { return r.program })
	m.memory = middle(all, func(r result) int64 { return r.memory })
	m.allocs = middle(all, func(r result) float64 { return r.allocs })
	for i := range m.delays {
		m.delays[i] = middle(all, func(r result) time.Duration { return r.delays[i] })
	}
	return m
}

func middle[T int64 | float64 | time.Duration](all []result, of func(result) T) T {
	var values []T
	for _, r := range all {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// report writes the table and the plot.
func report(out string, results []result, rounds int, length time.Duration) error {
	var cells []result
	for _, calls := range loadsOf(results) {
		for _, t := range targets {
			var of []result
			for _, r := range results {
				if r.target == t.name && r.calls == calls {
					of = append(of, r)
				}
			}
			if len(of) > 0 {
				cells = append(cells, median(of))
			}
		}
	}
	text := table(cells, rounds, length)
	fmt.Print("\n", text)
	if err := os.WriteFile(out+".md", []byte(text), 0o644); err != nil {
		return err
	}
	return os.WriteFile(out+".svg", []byte(plot(cells)), 0o644)
}

func loadsOf(results []result) (loads []int) {
	for _, r := range results {
		if !slices.Contains(loads, r.calls) {
			loads = append(loads, r.calls)
		}
	}
	slices.Sort(loads)
	return loads
}

func table(cells []result, rounds int, length time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Median of %d rounds of %v each, in turn; %s. CPU in µs for a relayed packet; delay in µs, one way,\nby the kernel's receive timestamps; what was lost is of all rounds.\n\n", rounds, length, machine())
	b.WriteString("| calls | relay | CPU, process | with the far ends | machine | delay p50 | p99 | p99.9 | lost | memory |\n| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n")
	for _, r := range cells {
		fmt.Fprintf(&b, "| %d | %s | %.2f | %.2f | %.2f | %.0f | %.0f | %.0f | %d of %d | %s |\n", r.calls, r.target, micros(r.process), micros(r.all), micros(r.machine),
			micros(r.delays[0]), micros(r.delays[1]), micros(r.delays[2]), r.lost(), r.sent, r.room()+r.warning())
	}
	b.WriteString("\n" + aims(cells))
	return b.String()
}

// aims sets the figures beside what is aimed for.
func aims(cells []result) string {
	find := func(name string, calls int) (result, bool) {
		i := slices.IndexFunc(cells, func(r result) bool { return r.target == name && r.calls == calls })
		if i < 0 {
			return result{}, false
		}
		return cells[i], true
	}
	var b strings.Builder
	b.WriteString("| calls | aim | measured |\n| ---: | --- | --- |\n")
	for _, calls := range loadsOf(cells) {
		row := func(aim, format string, args ...any) {
			fmt.Fprintf(&b, "| %d | %s | %s |\n", calls, aim, fmt.Sprintf(format, args...))
		}
		floor, hasFloor := find("floor", calls)
		kernel, hasKernel := find("tandem kernel", calls)
		user, hasUser := find("tandem user", calls)
		engine, hasEngine := find("rtpengine", calls)
		if hasFloor && hasKernel {
			row("kernel path: p50 at most 1.3 times the floor's", "%.2f times", micros(kernel.delays[0])/micros(floor.delays[0]))
			row("kernel path: at most 2 µs of the machine a packet over the floor", "%.2f µs; with the far ends alone %.2f µs; the program itself takes %.2f µs",
				micros(kernel.machine-floor.machine), micros(kernel.all-floor.all), micros(kernel.program))
			row("kernel path: nothing lost", "%d of %d", kernel.lost(), kernel.sent)
		}
		if hasUser && hasEngine {
			row("user path: at most 0.7 times rtpengine's CPU", "%.2f times", micros(user.process)/micros(engine.process))
			row("user path: p99 no worse than rtpengine's", "%.0f µs, %.0f µs", micros(user.delays[1]), micros(engine.delays[1]))
		}
		if hasUser {
			row("user path: no allocation a packet, nothing lost", "%.4f; %d of %d", user.allocs, user.lost(), user.sent)
		}
	}
	return b.String()
}

// machine says where it was measured.
func machine() string {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	info, _ := os.ReadFile("/proc/cpuinfo")
	_, model, _ := strings.Cut(string(info), "model name")
	model, _, _ = strings.Cut(strings.TrimLeft(model, "\t: "), "\n")
	return fmt.Sprintf("%d processors (%s), Linux %s, %s", runtime.NumCPU(), model, strings.TrimSpace(string(release)), runtime.Version())
}
