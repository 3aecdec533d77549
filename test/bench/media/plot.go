//go:build linux && (amd64 || arm64)

package main

import (
	"fmt"
	"math"
	"strings"
)

// Measures of the plot, in its own units.
const (
	panelWidth, panelHeight = 420, 240
	margin                  = 60
)

// colours can be told apart by the colour-blind, and from a light and a dark page.
var colours = map[string]string{
	"floor": "#8c959f", "tandem kernel": "#1f83c9", "tandem user": "#56b4e9", "goroutines": "#e69f00", "rtpengine": "#d55e00",
}

// style follows the page it is on: the plot has no background.
const style = `<style>text { fill: #24292f } line { stroke: #d0d7de }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } line { stroke: #444c56 } }</style>
`

// plot draws CPU and delay as groups of bars, one a number of calls.
func plot(cells []result) string {
	var b strings.Builder
	width, height := 2*(panelWidth+margin)+margin, panelHeight+2*margin+20
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	b.WriteString(style)
	panel(&b, cells, margin, "CPU for a relayed packet, with its far ends, µs", func(r result) float64 { return micros(r.all) })
	panel(&b, cells, 2*margin+panelWidth, "one-way delay, median, µs", func(r result) float64 { return micros(r.delays[0]) })
	x := margin
	for _, t := range targets {
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n",
			x, height-24, colours[t.name], x+18, height-14, t.name)
		x += 120
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// panel draws one figure on a logarithmic scale.
func panel(b *strings.Builder, cells []result, left int, title string, of func(result) float64) {
	low, high := math.Inf(1), 0.0
	for _, r := range cells {
		low, high = min(low, max(of(r), 0.1)), max(high, of(r))
	}
	low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(max(high, 0.2))))
	y := func(v float64) float64 {
		return margin + panelHeight*(1-math.Log(max(v, low)/low)/math.Log(high/low))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", left, margin-20, title)
	for v := low; v <= high*1.01; v *= 10 {
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%[3]v"/><text x="%d" y="%.1f" text-anchor="end">%g</text>`+"\n",
			left, left+panelWidth, y(v), left-6, y(v)+4, v)
	}
	loads := loadsOf(cells)
	group := float64(panelWidth) / float64(len(loads))
	bar := group / float64(len(targets)+1)
	for i, calls := range loads {
		for j, t := range targets {
			for _, r := range cells {
				if r.calls != calls || r.target != t.name {
					continue
				}
				top, at := y(of(r)), float64(left)+group*float64(i)+bar*(float64(j)+0.5)
				fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"><title>%s, %d calls: %.2f</title></rect>`+"\n",
					at, top, bar*0.9, margin+panelHeight-top, colours[t.name], t.name, calls, of(r))
			}
		}
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%d calls</text>`+"\n", float64(left)+group*(float64(i)+0.5), margin+panelHeight+18, calls)
	}
}
