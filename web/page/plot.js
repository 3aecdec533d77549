import { text } from './text.js'

const width = 280, height = 96, left = 34, bottom = 18, top = 8
const leastJitter = 10 // ms: what is less is not made to look like much
const leastLoss = 0.01

const svg = (name, attributes, words) => {
  const e = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value)
  if (words != null) e.textContent = words
  return e
}

const nice = (x) => x < 10 ? x.toFixed(1) : String(Math.round(x))

// summary says in words what a plot of a leg's series shows.
export const summary = (series) => {
  const jitters = series.map((s) => s.jitter_ms)
  const mean = jitters.reduce((a, b) => a + b, 0) / jitters.length
  const lossy = series.filter((s) => s.loss_ratio > 0)
  return text.heard(nice(mean), nice(Math.max(...jitters)), lossy.length, series.length, nice(100 * Math.max(...series.map((s) => s.loss_ratio))))
}

// plot draws what was heard of a leg over time: jitter as a line, loss as bars,
// each interval as long as it was.
export const plot = (series, title, id) => {
  const end = series.at(-1).until_ms || 1
  const most = Math.max(leastJitter, ...series.map((s) => s.jitter_ms))
  const mostLost = Math.max(leastLoss, ...series.map((s) => s.loss_ratio))
  const floor = height - bottom
  const x = (ms) => left + (width - left - 2) * ms / end
  const y = (share) => floor - (floor - top) * share
  const picture = svg('svg', { class: 'plot', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-labelledby': `${id}-title ${id}-desc` })
  picture.append(svg('title', { id: `${id}-title` }, title), svg('desc', { id: `${id}-desc` }, summary(series)),
    svg('path', { class: 'axis', fill: 'none', d: `M${left} ${top}V${floor}H${width}` }),
    svg('text', { x: left - 4, y: top + 6, 'text-anchor': 'end' }, `${nice(most)}`), svg('text', { x: left - 4, y: top + 18, 'text-anchor': 'end' }, 'ms'),
    svg('text', { x: left, y: height - 4 }, '0 s'), svg('text', { x: width, y: height - 4, 'text-anchor': 'end' }, `${nice(end / 1000)} s`))
  let from = 0, line = ''
  for (const s of series) {
    const [a, b] = [x(from), x(s.until_ms)]
    if (s.loss_ratio > 0) picture.append(svg('rect', { class: 'loss', x: a, y: y(s.loss_ratio / mostLost), width: Math.max(1, b - a - 1), height: floor - y(s.loss_ratio / mostLost) }))
    line += `${line ? 'V' : `M${a} `}${y(s.jitter_ms / most)}H${b}`
    from = s.until_ms
  }
  picture.append(svg('path', { class: 'jitter', d: line }))
  if (series.some((s) => s.loss_ratio > 0)) picture.append(svg('text', { x: width, y: top + 6, 'text-anchor': 'end' }, text.lossAtMost(nice(100 * mostLost))))
  return picture
}
