import { $, make, say, show } from './dom.js'
import { details, table } from './details.js'
import { clock, mmss, text } from './text.js'
import { words } from './wall.text.js'

const hour = 3600_000
const trunksEvery = 5_000
const listed = 50

let key = sessionStorage.getItem('tandem-key')
const calls = new Map() // of the last hour and those that are up, by id

const ask = async (path, accept = 'application/json', signal) => {
  const res = await fetch(path, { headers: { Authorization: `Bearer ${key}`, Accept: accept }, cache: 'no-store', signal })
  if (!res.ok) throw Object.assign(new Error((await res.json().catch(() => null))?.detail ?? res.statusText), { status: res.status })
  return res
}

const tile = (name, value) => make('div', {}, make('dt', {}, name), make('dd', {}, String(value)))

// open shows what happened in one call, and what was said over SIP.
const open = async (id) => {
  try {
    const [call, events] = await Promise.all([`/v1/calls/${id}`, `/v1/calls/${id}/events`].map(async (path) => (await ask(path)).json()))
    const ladder = await ask(`/v1/calls/${id}/trace`, 'text/plain').then((res) => res.text(), (problem) => problem.message)
    say($('detail-h'), `${call.to_display} · ${id}`)
    $('detail-of').replaceChildren(...details(call, events.data, words.seen, [
      make('h3', {}, words.ladder), make('pre', { tabindex: '0', 'aria-label': words.ladder, role: 'region' }, ladder)]))
    show($('detail'), true)
    $('detail').focus()
  } catch (problem) {
    say($('alert'), problem.message)
  }
}

const stateOf = (c) => c.status === 'ended' ? make('span', { class: c.outcome === 'completed' ? 'good' : null }, c.outcome.replaceAll('_', ' ')) : words.statuses[c.status]

const row = (c, now) => [
  clock(c.created_at), c.rep_external_id ?? c.legs.rep.number, c.to_display, stateOf(c),
  c.status === 'ended' ? c.talk_seconds ? mmss(c.talk_seconds) : '–' : mmss((now - Date.parse(c.created_at)) / 1000), c.legs.prospect.trunk ?? c.legs.rep.trunk ?? '–',
  make('button', { type: 'button', class: 'quiet', 'data-call': c.id, 'aria-label': `${text.details}, ${c.to_display}`, onclick: () => open(c.id) }, text.details)]

let drawn = '' // the list of calls, as it was drawn last

const paint = () => {
  const now = Date.now()
  for (const [id, c] of calls) if (c.status === 'ended' && now - Date.parse(c.ended_at) > hour) calls.delete(id)
  const all = [...calls.values()].toSorted((a, b) => (a.status === 'ended') - (b.status === 'ended') || (b.id < a.id ? -1 : 1))
  const up = all.filter((c) => c.status !== 'ended')
  const over = all.filter((c) => c.status === 'ended')
  const dialed = over.filter((c) => c.legs.prospect.dialed_at)
  const answered = dialed.filter((c) => c.reached_prospect).length
  $('live').replaceChildren(tile(words.upNow, up.length), ...Object.entries(words.statuses).map(([s, name]) => tile(name, up.filter((c) => c.status === s).length)))
  $('rates').replaceChildren(tile(words.endedCalls, over.length), tile(words.answerRate, dialed.length ? `${Math.round(100 * answered / dialed.length)} %` : '–'))
  const reasons = Object.entries(Object.groupBy(over, (c) => c.reason)).toSorted(([, a], [, b]) => b.length - a.length).map(([reason, { length }]) =>
    [reason.replaceAll('_', ' '), String(length), make('meter', { min: 0, max: over.length, value: length, 'aria-label': words.share(reason) })])
  $('hour').replaceChildren(reasons.length ? table(words.reasonHead, reasons) : make('p', { class: 'help' }, words.noneEnded))
  const shown = all.slice(0, listed)
  const listNow = shown.map((c) => `${c.id} ${c.sequence} ${c.status === 'ended' ? '' : Math.floor(now / 1000)}`).join()
  if (listNow === drawn) return // so that focus stays
  drawn = listNow
  const focused = document.activeElement?.dataset?.call
  $('up').replaceChildren(shown.length ? make('div', { class: 'scroll' }, table(words.callsHead, shown.map((c) => row(c, now)))) : make('p', { class: 'help' }, words.noneUp))
  if (focused) document.querySelector(`[data-call="${focused}"]`)?.focus()
}

const trunks = async () => {
  const { data } = await (await ask('/v1/trunks')).json()
  $('trunks').replaceChildren(table(words.trunksHead, data.map((t) => {
    const { in_use: used, limit } = t.channels
    return [t.name, make('span', { class: t.up ? 'good' : 'bad' }, t.draining ? words.draining : t.up ? words.trunkUp : words.trunkDown),
      make('span', {}, limit ? make('meter', { min: 0, max: limit, value: used, high: 0.8 * limit, 'aria-label': words.channelsOf(t.name) }) : null, `${used} / ${limit || '∞'}`),
      t.options_ms == null ? '–' : `${t.options_ms.toFixed(t.options_ms < 10 ? 1 : 0)} ms`]
  })))
  const down = data.filter((t) => !t.up).map((t) => t.name)
  say($('alert'), down.length ? `Down: ${down.join(', ')}` : '')
  $('bar').dataset.tone = down.length ? 'failed' : 'talking'
}

// past reads the last hour, page by page.
const past = async () => {
  let cursor = ''
  do {
    const page = await (await ask(`/v1/calls?limit=200&created_after=${new Date(Date.now() - hour).toISOString()}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`)).json()
    for (const c of page.data) calls.set(c.id, c)
    cursor = page.next_cursor
  } while (cursor)
}

// follow reads the event stream by fetch, for EventSource cannot send a key.
const follow = async () => {
  const reader = (await ask('/v1/events?types=call.*,trunk.*', 'text/event-stream')).body.pipeThrough(new TextDecoderStream()).getReader()
  say($('status'), words.live)
  for (let rest = '';;) {
    const { value, done } = await reader.read()
    if (done) return
    const events = (rest + value).split('\n\n')
    rest = events.pop()
    for (const e of events) {
      const data = e.split('\n').find((line) => line.startsWith('data:'))
      if (!data) continue // a heartbeat
      const { type, data: call } = JSON.parse(data.slice(5))
      if (type.startsWith('trunk.')) trunks().catch(() => {}) // asked again in a moment
      else if ((calls.get(call.id)?.sequence ?? 0) <= call.sequence) calls.set(call.id, call)
    }
    paint()
  }
}

const start = async () => {
  try {
    await past()
    await trunks()
  } catch (problem) {
    say($('alert'), problem.message)
    if (problem.status === 401 || problem.status === 403) return
    return setTimeout(start, 2000)
  }
  sessionStorage.setItem('tandem-key', key)
  show($('sign-in'), false)
  for (const board of document.querySelectorAll('.board:not(#detail)')) show(board, true)
  paint()
  setInterval(paint, 1000)
  if (location.hash) open(location.hash.slice(1)) // the rep's page leads here
  setInterval(() => trunks().catch((problem) => say($('alert'), problem.message)), trunksEvery)
  for (;;) {
    await follow().catch(() => {})
    say($('status'), text.reconnecting)
    await new Promise((again) => setTimeout(again, 2000))
    await past().catch(() => {})
  }
}

$('close').addEventListener('click', () => show($('detail'), false))
$('key-form').addEventListener('submit', (e) => { e.preventDefault(); key = $('key').value.trim(); start() })
if (key) start()
