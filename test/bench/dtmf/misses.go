package main

import (
	"fmt"
	"io"
	"time"

	"tandem/dtmf"
)

// showMisses prints, for each stimulus of a category that tandem got wrong, what
// it was and all that was heard of it, near-misses too.
func showMisses(tapes []*tape, category string, w io.Writer) {
	for _, t := range tapes {
		if t.category != category {
			continue
		}
		all := tandem(t, 32)
		for _, s := range t.spans {
			var got string
			for _, h := range all {
				if h.at > s.begin && h.at <= s.end {
					got += string(h.digit)
				}
			}
			if got == s.digits {
				continue
			}
			fmt.Fprintf(w, "%q heard as %q: %s\n", s.digits, got, s.note)
			r := dtmf.NewReceiver(dtmf.Config{InBand: true})
			for at := max(0, s.begin-4000) / 32 * 32; at < s.end; at += 32 {
				for _, p := range r.Audio(time.Time{}, uint32(at), t.sound[at:min(at+32, len(t.sound))], nil) {
					if at >= s.begin {
						fmt.Fprintf(w, "    %c up=%v near=%q at %+.1f ms, %v %+v\n", p.Digit, p.Up, p.Near, float64(int(p.At)-s.start)/8, p.Held, p.Figures)
					}
				}
			}
		}
	}
}
