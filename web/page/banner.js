import { $, make, say, show } from './dom.js'
import { now } from './api.js'
import { mmss, text } from './text.js'

const tones = { in_progress: 'talking', ended: 'idle' } // else it rings
const failures = /^(failed|rep_|prospect_)/

let shown // the call in the bar
let tick
let acts = ''

// banner shows a call in the alert at the top, or where there is none that the
// page is ready. act is called with hangup or confirm.
export const banner = (call, ready, act) => {
  shown = call
  const failed = call?.outcome && failures.test(call.outcome)
  // The running time has a place of its own: said aloud each second it would be noise.
  const words = call ? call.banner.text.replace(/^Connected.*/, text.connected(call.contact_name ?? call.to_display)) : ready
  say($('status'), failed ? '' : words)
  say($('alert'), failed ? words : '')
  $('bar').dataset.tone = failed ? 'failed' : call ? tones[call.status] ?? 'ringing' : 'idle'
  const wanted = (call?.banner.actions ?? []).filter((a) => a === 'hangup' || a === 'confirm')
  if (wanted.join() !== acts) { // kept while they are the same, so that focus stays
    acts = wanted.join()
    $('acts').replaceChildren(...wanted.toSorted().map((a) =>
      make('button', { type: 'button', class: a === 'hangup' ? 'end' : 'go', onclick: () => act(a) }, text[a])))
  }
  clearInterval(tick)
  paint()
  if (call && call.status !== 'ended') tick = setInterval(paint, 1000)
}

const paint = () => {
  const time = shown?.status === 'in_progress' ? mmss((now() - Date.parse(shown.connected_at)) / 1000) : ''
  say($('timer'), time)
  document.title = !shown || shown.status === 'ended' ? 'Tandem' : time ? `● ${time} ${shown.contact_name ?? shown.to_display}` : `☎ ${shown.banner.text}`
}

// link says how the page is connected.
export const link = (state) => {
  show($('link'), state !== 'live')
  say($('link-text'), text[state] ?? '')
}
