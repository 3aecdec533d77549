import { $, make, say, show } from './dom.js'
import { api } from './api.js'
import { mmss, money, text } from './text.js'

let shown // id of the call that is noted on
let saving

// after shows what became of a call, and takes what the rep notes of it. act is
// {again(call), noted(call), done()}.
export const after = (call, act) => {
  show($('after'), Boolean(call))
  if (!call) shown = null
  if (!call || call.id === shown) return
  shown = call.id
  const state = make('span', { class: 'help', role: 'status' })
  let saved = Promise.resolve() // one after the other; done waits for the last
  const save = (patch) => {
    clearTimeout(saving)
    saved = saved.then(() => api.note(call.id, patch)).then(({ body }) => {
      act.noted(body)
      say(state, text.notesSaved)
    }).catch((problem) => say(state, problem.message))
  }
  const choices = text.dispositions.map((d) => make('button', {
    type: 'button', 'aria-pressed': String(call.disposition === d),
    onclick: (e) => {
      for (const b of choices) b.setAttribute('aria-pressed', String(b === e.currentTarget))
      save({ disposition: d })
    },
  }, d))
  let kept = call.notes ?? ''
  const saveNotes = () => { if (notes.value !== kept) save({ notes: kept = notes.value }) }
  const notes = make('textarea', {
    id: 'notes', rows: '2', maxlength: '4000', onblur: saveNotes,
    oninput: () => { clearTimeout(saving); saving = setTimeout(saveNotes, 800) },
  })
  notes.value = kept
  const facts = [call.contact_name ? call.to_display : null, text.outcomes[call.outcome] ?? call.outcome,
    call.talk_seconds ? mmss(call.talk_seconds) : null, call.cost && Number(call.cost.total) ? money(call.cost.currency, call.cost.total) : null]
  $('after').replaceChildren(
    make('div', { class: 'top' },
      make('div', {}, make('h2', { id: 'after-h' }, text.afterH(call.contact_name ?? call.to_display, call.reached_prospect)), make('p', { class: 'help' }, facts.filter(Boolean).join(' · '))),
      make('button', { type: 'button', onclick: async () => { saveNotes(); await saved; act.done() } }, text.done)),
    make('div', { class: 'choices', role: 'group', 'aria-label': text.outcomeLabel }, ...choices),
    make('label', { for: 'notes' }, text.notes), notes,
    make('div', { class: 'row' }, make('button', { type: 'button', class: 'quiet', onclick: () => act.again(call) }, text.again), state))
}
