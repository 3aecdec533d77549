import { $, make, show } from './dom.js'
import { api } from './api.js'
import { mmss, text, when } from './text.js'

// recent is the list of the rep's calls, the newest first. again is called with
// one that is to be placed once more.
export const recent = (again) => {
  const rows = new Map() // by the call's id
  let cursor = null

  const row = (call) => {
    const detail = make('div', { class: 'detail', hidden: true })
    const open = make('button', {
      type: 'button', class: 'quiet', 'aria-expanded': 'false', 'aria-label': `${text.details}, ${call.to_display}`,
      onclick: async () => {
        show(detail, detail.hidden)
        open.setAttribute('aria-expanded', String(!detail.hidden))
        if (detail.hidden) return
        const [{ details }, now, events] = await Promise.all([import('./details.js'), api.get(call.id), api.events(call.id)])
        detail.replaceChildren(...details(now, events.data, text.seen, [make('p', { class: 'help last' }, `${call.id} · `,
          make('a', { href: `/wallboard#${call.id}`, target: '_blank' }, text.ladderLink))]))
      },
    }, text.details)
    const tone = call.outcome === 'completed' ? 'good' : /^(failed|prospect_unr|rep_)/.test(call.outcome) ? 'bad' : null
    const outcome = make('span', { class: tone }, call.outcome ? text.outcomes[call.outcome] ?? call.outcome : text.up)
    return make('li', {}, make('div', { class: 'line' },
      make('div', { class: 'what' }, make('b', {}, call.contact_name ?? call.to_display),
        make('span', { class: 'help' }, outcome, call.outcome && call.talk_seconds ? ` ${mmss(call.talk_seconds)}` : '', ' · ', make('time', { datetime: call.created_at }, when(call.created_at)),
          call.contact_name ? ` · ${call.to_display}` : '', call.disposition ? ` · ${call.disposition}` : '')),
      make('div', { class: 'row' }, open,
        call.outcome ? make('button', { type: 'button', 'aria-label': `${text.again} ${call.to_display}`, onclick: () => again(call) }, text.again) : null)), detail)
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
