import { make } from './dom.js'
import { plot, summary } from './plot.js'
import { mmss, text } from './text.js'

const sides = ['rep', 'prospect']

// noted says what an update changed: a leg that is over, or something flagged.
const noted = (call, before) => {
  const over = sides.find((side) => call.legs[side].status === 'ended' && before?.legs[side].status !== 'ended')
  const flag = call.flags.find((f) => !before?.flags.includes(f))
  return over ? text.over[over] : text.flags[flag] ?? flag ?? text.steps['call.updated']
}

// pressed says what was heard of a key, and why it did not count.
const pressed = (p) => {
  const figures = p.method === 'inband' ? ` (${p.level.toFixed(0)} dBm0, twist ${(p.twist ?? 0).toFixed(1)} dB, score ${(p.score ?? 0).toFixed(1)})` : ''
  return `${p.digit} ${text.methods[p.method] ?? p.method}, ${p.held_ms} ms${figures}${p.counted ? '' : `: ${text.notCounted(p.why)}`}`
}

const line = (time, words) => make('li', {}, make('time', {}, time), make('span', {}, words))

export const table = (head, rows, caption) => make('table', {}, caption ? make('caption', { class: 'help' }, caption) : null,
  make('thead', {}, make('tr', {}, ...head.map((h) => make('th', { scope: 'col' }, h)))),
  make('tbody', {}, ...rows.map(([first, ...rest]) => make('tr', {}, make('th', { scope: 'row' }, first), ...rest.map((cell) => make('td', {}, cell))))))

// sound is how one leg was heard: figures, the plot, and the plot as a table.
const sound = (call, side) => {
  const leg = call.legs[side], q = leg.quality, h = leg.hangup
  const why = h && [text.causes[h.cause] ?? h.cause, h.sip_code && `SIP ${h.sip_code}`, h.q850 && `Q.850 ${h.q850}`, h.text].filter(Boolean).join(' · ')
  const series = q?.series ?? []
  const figures = !q ? text.unheard : [q.mos && `MOS ${q.mos.toFixed(2)}`, q.jitter_ms != null && `${text.jitter} ${q.jitter_ms.toFixed(1)} ms`,
    q.loss_ratio != null && `${text.loss} ${(100 * q.loss_ratio).toFixed(1)} %`, q.rtt_ms && `${text.trip} ${q.rtt_ms.toFixed(0)} ms`].filter(Boolean).map((f) => f.replaceAll(' ', '\u00a0')).join(' · ')
  return make('figure', {}, make('figcaption', {}, text.heardFrom[side]), make('p', { class: 'help' }, figures),
    ...(series.length ? [plot(series, text.heardFrom[side], `${call.id}-${side}`),
      make('p', { class: 'help', 'aria-hidden': 'true' }, make('span', { class: 'key' }, text.jitter), ' ', make('span', { class: 'key of-loss' }, text.loss)),
      make('details', {}, make('summary', {}, text.figures), make('p', { class: 'help' }, summary(series)),
        table(text.seriesHead, series.map((s) => [mmss(s.until_ms / 1000), `${s.jitter_ms.toFixed(1)} ms`, `${(100 * s.loss_ratio).toFixed(1)} %`])))] : []),
    why ? make('p', { class: 'help' }, `${text.closed}: ${why}`) : null)
}

// details is what happened in a call: step by step, which keys were heard, how
// each leg sounded, and where ladder is given, what was said over SIP.
export const details = async (call, events, ladder) => {
  const steps = events.map((e, i) => line(`${((Date.parse(e.timestamp) - Date.parse(call.created_at)) / 1000).toFixed(1)} s`,
    e.type === 'call.updated' ? noted(e.data, events[i - 1]?.data)
      : e.type === 'call.rep_confirmed' && e.data.flags.includes('confirmed_by_ui') ? text.confirmedHere : text.steps[e.type] ?? e.type))
  const presses = (call.presses ?? []).map((p) => line(`${(p.after_ms / 1000).toFixed(1)} s`, pressed(p)))
  const heard = sides.filter((side) => call.legs[side].quality || call.legs[side].hangup)
  return [make('h3', {}, text.happened), make('ol', { class: 'timeline' }, ...steps),
    ...(presses.length ? [make('h3', {}, text.presses), make('ol', { class: 'timeline' }, ...presses)] : []),
    ...(heard.length ? [make('h3', {}, text.sounded), make('div', { class: 'sound' }, ...heard.map((side) => sound(call, side)))] : []),
    ...(ladder ? [make('h3', {}, text.ladder), make('pre', { tabindex: '0', 'aria-label': text.ladder, role: 'region' }, await ladder())] : [])]
}
