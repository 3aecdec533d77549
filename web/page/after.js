import { $, make, say, show } from './dom.js'
import { api } from './api.js'
import { mmss, text } from './text.js'

let shown // id of the call that is noted on
let saving

// after shows what became of a call, and takes what the rep notes of it.
export const after = (call, again) => {
  show($('after'), Boolean(call))
  if (!call || call.id === shown) return
  shown = call.id
  const state = make('span', { class: 'help', role: 'status' })
  const save = async (patch) => {
    try {
      await api.note(call.id, patch)
      say(state, text.notesSaved)
    } catch (problem) {
      say(state, problem.message)
    }
  }
  const choices = text.dispositions.map((d) => make('button', {
    type: 'button', 'aria-pressed': String(call.disposition === d),
    onclick: (e) => {
      for (const b of choices) b.setAttribute('aria-pressed', String(b === e.currentTarget))
      save({ disposition: d })
    },
  }, d))
  const notes = make('textarea', {
    id: 'notes', rows: '3', maxlength: '4000',
    oninput: () => { clearTimeout(saving); saving = setTimeout(() => save({ notes: notes.value }), 800) },
    onblur: () => { clearTimeout(saving); save({ notes: notes.value }) },
  })
  notes.value = call.notes ?? ''
  const cost = call.cost ? ` · ${call.cost.total} ${call.cost.currency}` : ''
  $('after').replaceChildren(
    make('h2', {}, text.outcomeH),
    make('p', {}, `${call.to_display} · ${text.outcomes[call.outcome] ?? call.outcome} · ${mmss(call.talk_seconds)}${cost}`),
    make('div', { class: 'choices', role: 'group', 'aria-label': text.outcomeH }, ...choices),
    make('label', { for: 'notes' }, text.notes), notes, state,
    make('p', { class: 'row' }, make('button', { type: 'button', onclick: () => again(call) }, text.again)))
}
