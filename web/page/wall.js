import { $, make, say, show } from './dom.js'
import { mmss, text } from './text.js'

const hour = 3600_000
const trunksEvery = 5_000
const statuses = ['queued', 'calling_rep', 'awaiting_confirmation', 'calling_prospect', 'in_progress']

let key = sessionStorage.getItem('tandem-key')
const calls = new Map() // of the last hour and those that are up, by id

const ask = async (path, accept = 'application/json', signal) => {
  const res = await fetch(path, { headers: { Authorization: `Bearer ${key}`, Accept: accept }, cache: 'no-store', signal })
  if (!res.ok) throw Object.assign(new Error((await res.json().catch(() => null))?.detail ?? res.statusText), { status: res.status })
  return res
}

const table = (caption, head, lines) => make('table', {}, make('caption', { class: 'help' }, caption),
  make('tr', {}, ...head.map((h) => make('th', { scope: 'col' }, h))),
  ...lines.map(([first, ...rest]) => make('tr', {}, make('th', { scope: 'row' }, first), ...rest.map((cell) => make('td', {}, String(cell))))))

const paint = () => {
  const now = Date.now()
  for (const [id, c] of calls) if (c.status === 'ended' && now - Date.parse(c.ended_at) > hour) calls.delete(id)
  const all = [...calls.values()]
  const up = all.filter((c) => c.status !== 'ended')
  const over = all.filter((c) => c.status === 'ended')
  const answered = over.filter((c) => c.reached_prospect).length
  const dialed = over.filter((c) => c.legs.prospect.dialed_at).length
  $('live').replaceChildren(table(`${up.length} calls are up`, ['Status', 'Calls'], statuses.map((s) => [s.replaceAll('_', ' '), up.filter((c) => c.status === s).length])))
  const reasons = Object.entries(Object.groupBy(over, (c) => c.reason)).map(([reason, list]) => [reason.replaceAll('_', ' '), list.length]).toSorted((a, b) => b[1] - a[1])
  $('hour').replaceChildren(table(`${over.length} calls ended; ${dialed ? Math.round(100 * answered / dialed) : 0} % of ${dialed} prospects answered`, ['Reason', 'Calls'], reasons))
  $('up').replaceChildren(table('The newest first', ['Since', 'Rep', 'To', 'Status', 'Trunk'], up.toSorted((a, b) => b.id < a.id ? -1 : 1).slice(0, 50).map((c) =>
    [mmss((now - Date.parse(c.created_at)) / 1000), c.rep_external_id ?? c.legs.rep.number, c.to_display, c.status.replaceAll('_', ' '), c.legs.prospect.trunk ?? c.legs.rep.trunk ?? ''])))
}

const trunks = async () => {
  const { data } = await (await ask('/v1/trunks')).json()
  $('trunks').replaceChildren(table('Channels in use of all there are', ['Trunk', 'State', 'Channels', 'Round trip'], data.map((t) =>
    [t.name, t.draining ? 'draining' : t.up ? 'up' : 'DOWN', `${t.channels.in_use} / ${t.channels.limit || '∞'}`, t.options_ms == null ? '–' : `${t.options_ms.toFixed(0)} ms`])))
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
  const reader = (await ask('/v1/events?types=call.*', 'text/event-stream')).body.pipeThrough(new TextDecoderStream()).getReader()
  say($('status'), text.live)
  for (let rest = '';;) {
    const { value, done } = await reader.read()
    if (done) return
    const events = (rest + value).split('\n\n')
    rest = events.pop()
    for (const e of events) {
      const data = e.split('\n').find((line) => line.startsWith('data:'))
      if (!data) continue // a heartbeat
      const call = JSON.parse(data.slice(5)).data
      if ((calls.get(call.id)?.sequence ?? 0) <= call.sequence) calls.set(call.id, call)
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
  for (const board of document.querySelectorAll('.board')) show(board, true)
  paint()
  setInterval(paint, 1000)
  setInterval(() => trunks().catch((problem) => say($('alert'), problem.message)), trunksEvery)
  for (;;) {
    await follow().catch(() => {})
    say($('status'), text.reconnecting)
    await new Promise((again) => setTimeout(again, 2000))
    await past().catch(() => {})
  }
}

$('key-form').addEventListener('submit', (e) => { e.preventDefault(); key = $('key').value.trim(); start() })
if (key) start()
