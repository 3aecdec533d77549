package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"tandem/dtmf"
)

// column is one detector's results.
type column struct {
	name    string
	tallies map[string]*tally
	took    time.Duration
	ran     int // samples in that time
	allocs  float64
}

func (c *column) run(d detector, t *tape) error {
	all, err := d.hear(t)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", d.name, t.category, err)
	}
	y := c.tallies[t.category]
	if y == nil {
		y = new(tally)
		c.tallies[t.category] = y
	}
	y.judge(t, all, d.timed)
	if d.speed == nil {
		return nil
	}
	took, err := d.speed(t)
	c.took += took
	c.ran += len(t.sound)
	if d.name == "tandem" {
		part := *t
		part.sound = part.sound[:min(len(part.sound), 10*rate)]
		c.allocs = max(c.allocs, allocations(&part))
	}
	return err
}

// allocations is how often hearing a tape allocates, once a receiver is there.
func allocations(t *tape) float64 {
	r := dtmf.NewReceiver(dtmf.Config{InBand: true})
	presses, ts := make([]dtmf.Press, 0, 8), uint32(0)
	return testing.AllocsPerRun(2, func() {
		for at := 0; at+frame <= len(t.sound); at += frame {
			presses = r.Audio(time.Time{}, ts, t.sound[at:at+frame], presses[:0])
			ts += frame
		}
	})
}

type report struct {
	categories []string
	columns    []column
	seconds    int
}

// print writes a Markdown table: one row a category, one column a detector.
func (r *report) print(w io.Writer) error {
	row := func(name string, cell func(c *column) string) {
		fmt.Fprintf(w, "| %s |", name)
		for i := range r.columns {
			fmt.Fprintf(w, " %s |", cell(&r.columns[i]))
		}
		fmt.Fprintln(w)
	}
	row("", func(c *column) string { return c.name })
	fmt.Fprintln(w, "| --- |"+strings.Repeat(" ---: |", len(r.columns)))
	for _, category := range r.categories {
		y := r.columns[0].tallies[category]
		switch hours := float64(y.samples) / rate / 3600; {
		case y.presses > 0:
			row(fmt.Sprintf("%s, %% of %d", category, y.presses), func(c *column) string {
				y := c.tallies[category]
				return fmt.Sprintf("%.2f", 100*float64(y.hits)/float64(y.presses))
			})
		case y.silent > 1:
			row(fmt.Sprintf("%s, of %d", category, y.silent), func(c *column) string {
				return fmt.Sprint(c.tallies[category].false_)
			})
		default:
			row(fmt.Sprintf("%s, keys in %.1f h (1s)", category, hours), func(c *column) string {
				y := c.tallies[category]
				return fmt.Sprintf("%d (%d)", y.false_, y.ones)
			})
		}
	}
	sum := func(c *column, f func(*tally) int) string {
		n := 0
		for _, y := range c.tallies {
			n += f(y)
		}
		return fmt.Sprint(n)
	}
	row("presses heard twice", func(c *column) string { return sum(c, func(y *tally) int { return y.doubles }) })
	row("another key heard", func(c *column) string { return sum(c, func(y *tally) int { return y.wrong }) })
	core := func(q float64, of func(*tally) []int) func(c *column) string {
		return func(c *column) string {
			if x := of(c.tallies["core"]); len(x) > 0 {
				return fmt.Sprintf("%.1f", quantile(x, q))
			}
			return "-"
		}
	}
	delays, offs := func(y *tally) []int { return y.delays }, func(y *tally) []int { return y.offs }
	row("announced, ms, p50", core(.5, delays))
	row("announced, ms, p95", core(.95, delays))
	row("start error, ms, p95", core(.95, offs))
	row("× real time a core", func(c *column) string {
		if c.took == 0 {
			return "-"
		}
		return fmt.Sprintf("%.0f", float64(c.ran)/rate/c.took.Seconds())
	})
	row("allocations", func(c *column) string {
		if c.name != "tandem" {
			return "-"
		}
		return fmt.Sprint(c.allocs)
	})
	_, err := fmt.Fprintf(w, "\n%.1f h of sound.\n", float64(r.seconds)/3600)
	return err
}
