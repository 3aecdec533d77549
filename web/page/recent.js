import { $, make, show } from './dom.js'
import { api } from './api.js'
import { clock, mmss, text } from './text.js'

// recent is the list of the rep's calls, the newest first. again is called with
// one that is to be placed once more.
export const recent = (again) => {
  const rows = new Map() // by the call's id
  let cursor = null

  const row = (call) => {
    const detail = make('div', { hidden: true })
    const open = make('button', {
      type: 'button', 'aria-expanded': 'false',
      onclick: async () => {
        show(detail, detail.hidden)
        open.setAttribute('aria-expanded', String(!detail.hidden))
        if (!detail.hidden) detail.replaceChildren(...await timeline(call.id))
      },
    }, text.details)
    const outcome = call.outcome ? text.outcomes[call.outcome] ?? call.outcome : call.banner.text
    return make('li', {}, make('div', { class: 'row' },
      make('span', { class: 'what' }, make('time', { datetime: call.created_at }, clock(call.created_at)), ` ${call.to_display} · ${outcome}`,
        call.talk_seconds ? ` · ${mmss(call.talk_seconds)}` : ''),
      open, make('button', { type: 'button', 'aria-label': `${text.again} ${call.to_display}`, onclick: () => again(call) }, text.again)), detail)
  }

  const put = (call, where) => {
    if (call.kind !== 'pass_through') return
    const li = row(call)
    if (rows.has(call.id)) rows.get(call.id).replaceWith(li)
    else $('calls')[where](li)
    rows.set(call.id, li)
  }

  const load = async (more) => {
    const page = await api.calls(more ? cursor : null)
    if (!more) { rows.clear(); $('calls').replaceChildren() }
    for (const call of page.data) put(call, 'append')
    cursor = page.next_cursor
    show($('more'), Boolean(cursor))
    if (!rows.size) $('calls').replaceChildren(make('li', { class: 'help' }, text.noCalls))
    return page.data
  }
  $('more').addEventListener('click', () => load(true))

  return {
    load: () => load(false),
    // put shows a call as it now is, unless somebody reads its details.
    put: (call) => {
      if (rows.size === 0 && call.kind === 'pass_through') $('calls').replaceChildren()
      if (!rows.get(call.id)?.querySelector('[aria-expanded="true"]')) put(call, 'prepend')
    },
  }
}

// noted says what an update changed: a leg that is over, or something flagged.
const noted = (call, before) => {
  const over = ['rep', 'prospect'].find((side) => call.legs[side].status === 'ended' && before?.legs[side].status !== 'ended')
  const flag = call.flags.find((f) => !before?.flags.includes(f))
  return over ? text.over[over] : text.flags[flag] ?? flag ?? text.steps['call.updated']
}

// pressed says what was heard of a key, and why it did not count.
const pressed = (p) => {
  const figures = p.method === 'inband' ? ` (${p.level.toFixed(0)} dBm0, twist ${(p.twist ?? 0).toFixed(1)} dB, score ${(p.score ?? 0).toFixed(1)})` : ''
  return `${p.digit} ${text.methods[p.method] ?? p.method}, ${p.held_ms} ms${figures}${p.counted ? '' : `: ${text.notCounted(p.why)}`}`
}

// timeline is what happened in a call, step by step, and how each leg sounded.
const timeline = async (id) => {
  const [events, call] = await Promise.all([api.events(id), api.get(id)])
  const steps = events.data.map((e, i) => make('li', {},
    make('time', { datetime: e.timestamp }, `${((Date.parse(e.timestamp) - Date.parse(call.created_at)) / 1000).toFixed(1)} s`),
    make('span', {}, e.type === 'call.updated' ? noted(e.data, events.data[i - 1]?.data) : text.steps[e.type] ?? e.type)))
  const figure = (value, unit, digits) => value == null ? '–' : `${value.toFixed(digits)}${unit}`
  const legs = ['rep', 'prospect'].filter((side) => call.legs[side].quality).map((side) => {
    const q = call.legs[side].quality
    return make('tr', {}, make('th', { scope: 'row' }, text[side]), ...[figure(q.mos, ' MOS', 2), figure(q.jitter_ms, ' ms', 1),
      figure(q.loss_ratio == null ? null : q.loss_ratio * 100, ' %', 1), figure(q.rtt_ms, ' ms', 0)].map((f) => make('td', {}, f)))
  })
  const hangups = ['rep', 'prospect'].filter((side) => call.legs[side].hangup).map((side) => {
    const h = call.legs[side].hangup
    return make('p', { class: 'help' }, `${text[side]}: ${[h.cause, h.sip_code, h.q850 && `Q.850 ${h.q850}`, h.text].filter(Boolean).join(' · ')}`)
  })
  const presses = (call.presses ?? []).map((p) => make('li', {},
    make('time', {}, `${(p.after_ms / 1000).toFixed(1)} s`), make('span', {}, pressed(p))))
  return [make('ol', { class: 'timeline' }, ...steps), ...hangups,
    presses.length ? make('p', { class: 'help' }, text.presses) : null,
    presses.length ? make('ol', { class: 'timeline' }, ...presses) : null,
    legs.length ? make('table', {}, make('tr', {}, ...text.quality.map((h) => make('th', { scope: 'col' }, h))), ...legs) : null].filter(Boolean)
}
