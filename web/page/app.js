import { $, make, say, show } from './dom.js'
import { api } from './api.js'
import { after } from './after.js'
import { banner, link } from './banner.js'
import { dialer } from './dialer.js'
import { frame } from './frame.js'
import { live } from './live.js'
import { recent } from './recent.js'
import { settings } from './settings.js'
import { text } from './text.js'

// The server is the truth: what is kept here is what it last said.
let rep = null
let call = null // the one that is up, else the one that ended last
let sure = false // Esc was pressed once

const parts = {
  dialer: dialer({ rep: () => rep, call: (to) => place(to), digit: (d) => send(() => api.digits(call.id, d)), toggle: () => attempt(() => parts.settings.toggle()) }),
  settings: settings((now) => { rep = now; paint() }),
  recent: recent((old) => place(old.to)),
}
const parent = frame({
  token: (token) => api.enter(token).then(start, () => {}),
  dial: (to, name, metadata) => {
    if (!rep) return parent.signIn() // and nothing is dialled: they ask again once it is tandem.ready
    parts.dialer.number(to)
    place(to, name, metadata)
  },
  hangup: () => act('hangup'), toggle: () => attempt(() => parts.settings.toggle()),
})

const paint = () => {
  for (const id of ['dialer', 'settings', 'recent']) show($(id), Boolean(rep))
  if (!rep) return
  banner(call, act)
  parts.dialer.paint(rep, call)
  parts.settings.paint(rep)
  after(call?.status === 'ended' && call.kind === 'pass_through' ? call : null, (old) => place(old.to))
}

// take keeps what an event or an answer says of a call, unless it is old news.
const take = (news) => {
  if (call?.id === news.id && news.sequence < call.sequence) return
  if (call && call.id !== news.id && call.status !== 'ended' && news.status === 'ended') return parts.recent.put(news)
  call = news
  sure = false
  parts.recent.put(news)
  parent.status(news)
  if (news.status === 'ended' && news.kind === 'verification') {
    parts.settings.tested(news)
    attempt(() => parts.settings.reload())
  }
  paint()
}

// attempt says what went wrong where the rep looks, with what helps.
const attempt = async (what) => {
  parts.dialer.refuse(null)
  try {
    return await what()
  } catch (problem) {
    if (problem.status === 401) return signedOut()
    parts.dialer.refuse(problem, helpFor(problem))
  }
}

const helpFor = (problem) => {
  const button = (words, onclick) => make('button', { type: 'button', onclick }, words)
  switch (problem.code) {
    case 'rep_busy': return button(text.showCall, () => attempt(async () => take(await api.get(problem.active_call_id))))
    case 'pass_through_off': return button(text.turnOn, () => attempt(() => parts.settings.toggle()))
    case 'no_pass_through_number': return button(text.setNumber, () => $('number').focus())
    case 'number_not_verified': return button(text.testPhone, () => $('test').click())
  }
}

const send = (what) => attempt(async () => { const news = await what(); if (news?.id) take(news) })
const place = (to, name, metadata) => send(() => api.call({ rep_id: rep.id, to, contact_name: name, metadata }))
const act = (what) => call && send(() => api[what](call.id))
const prefill = (to) => { parts.dialer.number(to); $('to').focus() }

const nobody = () => {
  show($('sign-in'), true)
  parent.signIn()
}

const signedOut = () => {
  rep = null
  paint()
  nobody()
  say($('alert'), text.signedOut)
}

// refresh reads everything again: at the start, and when news may have been missed.
const refresh = async () => {
  try {
    await parts.settings.reload()
    const up = rep.active_call_id ?? (call && call.status !== 'ended' ? call.id : null)
    if (up) take(await api.get(up))
  } catch (problem) {
    if (problem.status === 401) signedOut()
  }
}

document.addEventListener('keydown', (e) => {
  if (e.key !== 'Escape' || !call || call.status === 'ended') return
  if (sure || call.status !== 'in_progress') return act('hangup')
  sure = true
  say($('status'), text.sure)
})

const start = async () => {
  try {
    await parts.settings.reload()
  } catch (problem) {
    if (problem.status === 401) return nobody()
    say($('alert'), problem.message)
    return setTimeout(start, 2000)
  }
  say($('alert'), '')
  show($('sign-in'), false)
  await parts.recent.load()
  parent.ready()
  const to = new URLSearchParams(location.search).get('to')
  if (to) prefill(decodeURIComponent(to).replace(/^(tel|callto):(\/\/)?/i, ''))
  live({
    state: link, back: refresh,
    event: (e) => e.type.startsWith('call.') ? take(e.data) : attempt(() => parts.settings.reload()),
  })
}
start()
