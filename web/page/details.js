import { make } from './dom.js'
import { plot, summary } from './plot.js'
import { mmss, text } from './text.js'

const sides = ['rep', 'prospect']

// noted says what an update changed: a leg that is over, or something flagged.
const noted = (call, before, words) => {
  const over = sides.find((side) => call.legs[side].status === 'ended' && before?.legs[side].status !== 'ended')
  const flag = call.flags.find((f) => !before?.flags.includes(f))
  return over ? words.over[over] : words.flags[flag] ?? flag ?? words.noted
}

// step is one event of a call in words.
const step = (e, before, words) => {
  switch (e.type) {
    case 'call.updated': return noted(e.data, before, words)
    case 'call.rep_confirmed': return e.data.flags.includes('confirmed_by_ui') ? words.confirmedHere : words.steps[e.type]
    case 'call.ended': return words.ended(e.data)
    default: return words.steps[e.type] ?? e.type
  }
}

const toneOf = ({ type, data }) => {
  if (type === 'call.connected') return 'good'
  return type === 'call.ended' && data.outcome !== 'completed' ? 'bad' : null
}

// pressed says what was heard of a key, and why it did not count.
const pressed = (p) => {
  const figures = p.level == null ? '' : ` (${p.level.toFixed(0)} dBm0, twist ${(p.twist ?? 0).toFixed(1)} dB, score ${(p.score ?? 0).toFixed(1)})`
  return `${p.digit} ${text.methods[p.method] ?? p.method}, ${p.held_ms} ms${figures}${p.counted ? '' : `: ${text.notCounted(p.why)}`}`
}

const line = (time, words, tone) => make('li', { 'data-tone': tone }, make('time', {}, time), make('span', {}, words))

export const table = (head, rows, caption) => make('table', {}, caption ? make('caption', { class: 'help' }, caption) : null,
  make('thead', {}, make('tr', {}, ...head.map((h) => make('th', { scope: 'col' }, h)))),
  make('tbody', {}, ...rows.map(([first, ...rest]) => make('tr', {}, make('th', { scope: 'row' }, first), ...rest.map((cell) => make('td', {}, cell))))))

// sound is how one leg was heard: figures, the plot, and the plot as a table.
const sound = (call, side, words) => {
  const leg = call.legs[side], q = leg.quality, h = leg.hangup
  const why = h && [text.causes[h.cause] ?? h.cause, h.sip_code && `SIP ${h.sip_code}`, h.q850 && `Q.850 ${h.q850}`, h.text].filter(Boolean).join(' · ')
  const series = q?.series ?? []
  const figures = !q ? text.unheard : [q.mos && `MOS ${q.mos.toFixed(2)}`, q.jitter_ms != null && `${text.jitter} ${q.jitter_ms.toFixed(1)} ms`,
    q.loss_ratio != null && `${text.loss} ${(100 * q.loss_ratio).toFixed(1)} %`, q.rtt_ms && `${text.trip} ${q.rtt_ms.toFixed(0)} ms`].filter(Boolean).map((f) => f.replaceAll(' ', '\u00a0')).join(' · ')
  return make('figure', {}, make('figcaption', {}, words.heardFrom[side]), make('p', { class: 'help' }, figures),
    ...(series.length ? [plot(series, words.heardFrom[side], `${call.id}-${side}`),
      make('p', { class: 'help', 'aria-hidden': 'true' }, make('span', { class: 'key' }, text.jitter), ...(series.some((s) => s.loss_ratio > 0) ? [' ', make('span', { class: 'key of-loss' }, text.loss)] : [])),
      make('details', {}, make('summary', {}, text.figures), make('p', { class: 'help' }, summary(series)),
        table(text.seriesHead, series.map((s) => [mmss(s.until_ms / 1000), `${s.jitter_ms.toFixed(1)} ms`, `${(100 * s.loss_ratio).toFixed(1)} %`])))] : []),
    why ? make('p', { class: 'help' }, `${text.closed}: ${why}`) : null)
}

// details is what happened in a call: step by step, which keys were heard, and how
// each leg sounded; in the words of who looks. last is what stands below.
export const details = (call, events, words, last) => {
  const steps = events.filter((e) => e.type !== 'call.cost_final').map((e, i, all) =>
    line(`${((Date.parse(e.timestamp) - Date.parse(call.created_at)) / 1000).toFixed(1)} s`, step(e, all[i - 1]?.data, words), toneOf(e)))
  const presses = (call.presses ?? []).map((p) => line(`${(p.after_ms / 1000).toFixed(1)} s`, pressed(p)))
  const heard = sides.filter((side) => call.legs[side].quality || call.legs[side].hangup)
  return [make('h3', {}, text.happened), make('ol', { class: 'timeline' }, ...steps),
    ...(presses.length ? [make('h3', {}, words.presses), make('ol', { class: 'timeline' }, ...presses)] : []),
    ...(heard.length ? [make('h3', {}, text.sounded), make('div', { class: 'sound' }, ...heard.map((side) => sound(call, side, words)))] : []),
    ...last]
}
