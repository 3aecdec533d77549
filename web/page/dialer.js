import { $, make, say, show } from './dom.js'
import { api } from './api.js'
import { money, text } from './text.js'

const letters = { 2: 'ABC', 3: 'DEF', 4: 'GHI', 5: 'JKL', 6: 'MNO', 7: 'PQRS', 8: 'TUV', 9: 'WXYZ', 0: '+' }
const pauseBeforeQuote = 400
const stages = { queued: 0, calling_rep: 0, awaiting_confirmation: 1, calling_prospect: 2, in_progress: 3 } // of the steps, which is under way

// dialer is the number, its keys, the switch and Call. The page gives it act:
// {call(to), digit(d), toggle(), rep()}.
export const dialer = (act) => {
  let talking = false
  let quoting

  const keys = [...'123456789*0#'].map((d) => make('button', {
    type: 'button', 'aria-label': { '*': 'star', '#': 'pound' }[d],
    onclick: () => talking ? act.digit(d) : write(d),
  }, d, letters[d] ? ' ' : null, letters[d] ? make('small', {}, letters[d]) : null))
  $('keys').replaceChildren(...keys)
  const steps = text.howItGoes.map((words) => make('li', {}, words))
  $('steps').replaceChildren(...steps)

  const write = (d) => {
    const to = $('to')
    to.setRangeText(d, to.selectionStart, to.selectionEnd, 'end')
    changed()
  }

  // A price before the click: both legs.
  const changed = () => {
    clearTimeout(quoting)
    say($('price'), '')
    refuse(null)
    const to = $('to').value.trim()
    if (to.replace(/\D/g, '').length < 7) return
    quoting = setTimeout(async () => {
      try {
        const q = await api.quote(act.rep().id, to)
        if ($('to').value.trim() === to && q.total_per_minute) say($('price'), text.price(money(q.currency, q.total_per_minute)))
      } catch { /* what is wrong with the number is said when it is called */ }
    }, pauseBeforeQuote)
  }

  // refuse says what the server would not do, with what helps as a button.
  const refuse = (problem, help) => {
    $('refused').replaceChildren(...(problem ? [make('p', {}, text.problems[problem.code] ?? problem.message), help].filter(Boolean) : []))
  }

  $('to').addEventListener('input', changed)
  $('rub').addEventListener('click', () => { $('to').value = $('to').value.slice(0, -1); changed(); $('to').focus() })
  $('pt').addEventListener('click', act.toggle)
  $('dial').addEventListener('submit', (e) => {
    e.preventDefault()
    if (!$('call').disabled && $('to').value.trim()) act.call($('to').value.trim())
  })

  return {
    refuse,
    number: (to) => { $('to').value = to; changed() },
    // paint shows the rep's settings and whether a call is up.
    paint: (rep, call) => {
      const up = call && call.status !== 'ended'
      talking = Boolean(call?.banner.actions.includes('dtmf'))
      $('keys').setAttribute('aria-label', talking ? text.keysSend : text.keysDial)
      say($('to-help'), talking ? text.keysSend : text.toHelp)
      $('pt').setAttribute('aria-checked', String(rep.pass_through.enabled))
      say($('pt-phone'), text.rings(rep.pass_through.number))
      const why = rep.pass_through.enabled ? '' : text.off
      say($('off'), why)
      show($('off'), why !== '')
      for (const [i, step] of steps.entries()) {
        const stage = up ? stages[call.status] : -1
        step.ariaCurrent = i === stage ? 'step' : null
        if (i > stage) delete step.dataset.is
        else step.dataset.is = i === stage ? 'now' : 'done'
      }
      $('call').disabled = Boolean(up || why)
      say($('call'), up ? text.onCall : text.call)
    },
  }
}
