package main

import (
	"slices"
	"sort"
)

// tally is how a detector did in one category.
type tally struct {
	presses, hits  int
	doubles, wrong int // presses more than were made: of the same key, of another
	silent, false_ int // stimuli that must not be heard, and keys heard in them
	ones           int // of those, the key 1
	samples        int
	delays         []int // samples from the start of a tone to the report
	offs           []int // of the start, as reported, from the true one
}

// judge compares what was heard on a tape with what is on it.
func (y *tally) judge(t *tape, all []heard, timed bool) {
	y.samples += len(t.sound)
	slices.SortStableFunc(all, func(a, b heard) int { return a.at - b.at })
	next := 0
	for _, s := range t.spans {
		first := next
		for next < len(all) && all[next].at <= s.end && all[next].at >= s.begin {
			next++
		}
		y.span(s, all[first:next], timed)
	}
}

func (y *tally) span(s span, got []heard, timed bool) {
	if s.digits == "" {
		y.silent++
		y.false_ += len(got)
		for _, h := range got {
			if h.digit == '1' {
				y.ones++
			}
		}
		return
	}
	text := make([]byte, len(got))
	for i, h := range got {
		text[i] = h.digit
	}
	found := common(s.digits, string(text))
	extra := len(got) - found
	y.presses += len(s.digits)
	y.hits += max(0, found-extra) // each press too many spoils one
	for i := 1; i < len(text) && extra > 0; i++ {
		if text[i] == text[i-1] {
			y.doubles++
			extra--
		}
	}
	y.wrong += extra
	if timed && s.whole && len(got) > 0 && got[0].digit == s.digits[0] {
		y.delays = append(y.delays, got[0].at-s.start)
		if got[0].start != 0 {
			y.offs = append(y.offs, abs(got[0].start-s.start))
		}
	}
}

func abs(n int) int { return max(n, -n) }

// common is the length of the longest common subsequence.
func common(a, b string) int {
	row := make([]int, len(b)+1)
	for i := range len(a) {
		diagonal := 0
		for j := range len(b) {
			above := row[j+1]
			if a[i] == b[j] {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(above, row[j])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}

func quantile(x []int, q float64) float64 {
	if len(x) == 0 {
		return 0
	}
	sort.Ints(x)
	return float64(x[min(len(x)-1, int(q*float64(len(x))))]) / rate * 1000
}
