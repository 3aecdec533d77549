import { $, make, say, show } from './dom.js'
import { api } from './api.js'
import { clock, text, when } from './text.js'

// untested says that the rep must show that the phone is theirs before they call.
export const untested = (rep) => !rep.pass_through.trusted && !rep.pass_through.verified_at

// settings is the rep's own part of the settings. changed is called with the rep
// as the server keeps it.
export const settings = (changed) => {
  let rep, etag
  let verdict = '' // of the last test, until the number is another
  let arranged // for which number the settings were opened, or closed, last

  const change = async (patch) => {
    const answer = await api.change(patch, etag)
    etag = answer.etag
    changed(answer.body)
    return answer.body
  }

  const saveNumber = async () => {
    const typed = $('number').value.trim()
    if (typed === shown()) return say($('number-bad'), '')
    try {
      await change({ pass_through: { number: typed || null, enabled: Boolean(typed) } })
      verdict = ''
      say($('number-bad'), '')
      say($('number-help'), text.saved(clock(Date.now())))
      $('number').value = shown()
    } catch (problem) {
      if (problem.code === 'stale_version') return reload()
      say($('number-bad'), problem.message)
    }
  }

  const judge = (words) => say($('tested'), verdict = words)

  // shown is the number as people of its country write it.
  const shown = () => [rep.pass_through.number_display ?? rep.pass_through.number, rep.pass_through.extension].filter(Boolean).join(' x')

  const reload = async () => {
    const answer = await api.rep()
    etag = answer.etag
    changed(answer.body)
  }

  $('number-form').addEventListener('submit', (e) => { e.preventDefault(); saveNumber() })
  $('number').addEventListener('blur', (e) => { if (e.relatedTarget !== $('save')) saveNumber() })
  $('caller-id').addEventListener('change', async () => {
    try {
      await change({ caller_id: $('caller-id').value || null })
    } catch (problem) {
      say($('number-bad'), problem.message)
      paint(rep)
    }
  })
  $('test').addEventListener('click', async () => {
    $('settings-all').open = true
    judge(text.testing)
    try {
      await api.test()
    } catch (problem) {
      judge(text.testFailed(problem.message))
    }
  })
  $('links').addEventListener('click', () => navigator.registerProtocolHandler('tel', `${location.origin}/dial?to=%s`))
  $('leave').addEventListener('click', async () => { await api.leave(); location.reload() })

  const paint = (now) => {
    rep = now
    const first = !rep.pass_through.number
    say($('settings-h'), first ? text.setUpH : text.settingsH)
    for (const id of ['test-row', 'links']) show($(id), !first)
    if (arranged !== rep.pass_through.number) { // once; then it is the rep's to open and close
      arranged = rep.pass_through.number
      $('settings-all').open = first || untested(rep)
    }
    $('save').className = first ? 'go' : ''
    if (document.activeElement !== $('number')) $('number').value = shown()
    if (!$('number-help').textContent) say($('number-help'), text.numberHelp(text.example[rep.region] ?? '+1 415 555 0123'))
    const verified = rep.pass_through.verified_at
    say($('tested'), verdict || (verified ? text.verified(when(verified)) : text.unverified))
    say($('settings-now'), `${shown()}${verified ? ` · ${text.tested}` : ''}`)
    $('test').className = untested(rep) ? 'go' : ''
    const ids = rep.allowed_caller_ids
    show($('caller-id-row'), !first && ids.length > 1)
    $('caller-id').replaceChildren(make('option', { value: '' }, text.anyCallerId),
      ...ids.map((id) => make('option', { value: id, selected: id === rep.caller_id }, id)))
    say($('who'), text.signedIn(rep.name))
  }

  return {
    paint, reload,
    toggle: () => change({ pass_through: { enabled: !rep.pass_through.enabled } }),
    // tested tells how a verification call went.
    tested: (call) => judge(call.outcome === 'completed' ? text.verified(when(call.ended_at)) : text.testFailed(call.banner.text)),
  }
}
