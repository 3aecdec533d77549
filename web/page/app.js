import { $, make, say, show } from './dom.js'
import { api } from './api.js'
import { after } from './after.js'
import { banner, link } from './banner.js'
import { dialer } from './dialer.js'
import { around } from './frame.js'
import { live } from './live.js'
import { recent } from './recent.js'
import { renewFrom, session } from './session.js'
import { settings, untested } from './settings.js'
import { text } from './text.js'

// The server is the truth: what is kept here is what it last said.
let rep = null
let call = null // the one that is up, else the one that ended last and is not done with
let sure = false // Esc was pressed once
let unfollow = () => {} // ends the stream of events

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
    case 'no_pass_through_number': return button(text.setNumber, () => { $('settings-all').open = true; $('number').focus() })
    case 'number_not_verified': return button(text.testPhone, () => $('test').click())
  }
}

const send = (what) => attempt(async () => { const news = await what(); if (news?.id) take(news) })
const place = (to, name, metadata) => send(() => api.call({ rep_id: rep.id, to, contact_name: name?.slice(0, 80), metadata }))
const again = (old) => place(old.to, old.contact_name ?? undefined)
const act = (what) => call && send(() => api[what](call.id))
const prefill = (to) => { parts.dialer.number(to); $('to').focus() }

const parts = {
  dialer: dialer({ rep: () => rep, call: (to) => place(to), digit: (d) => send(() => api.digits(call.id, d)), toggle: () => attempt(() => parts.settings.toggle()) }),
  settings: settings((now) => { rep = now; paint() }),
  recent: recent(again),
  session: session(() => start()),
}

const paint = () => {
  const number = rep?.pass_through.number
  $('main').toggleAttribute('data-setup', !number)
  $('settings').classList.toggle('alone', !number)
  show($('dialer'), Boolean(number))
  show($('settings'), Boolean(rep))
  show($('recent'), Boolean(number))
  show($('foot'), Boolean(rep))
  after(rep && call?.status === 'ended' && call.kind === 'pass_through' ? call : null, { again, done, noted: (now) => { call = now } })
  if (!rep) return
  const ready = !number ? text.setUpFirst : untested(rep) ? text.testFirst : rep.pass_through.enabled ? text.ready(number) : text.off
  banner(call, ready, act)
  parts.dialer.paint(rep, call)
  parts.settings.paint(rep)
}

// done puts away what ended.
const done = () => {
  parent.done(call)
  call = null
  paint()
  $('to').focus()
}

// take keeps what an event or an answer says of a call, unless it is old news.
const take = (news) => {
  if (call?.id === news.id && news.sequence < call.sequence) return
  if (call && call.id !== news.id) {
    if (news.status === 'ended') return parts.recent.put(news)
    if (call.status === 'ended') parent.done(call)
  }
  if (!call && news.status === 'ended') return parts.recent.put(news) // done with
  call = news
  sure = false
  parts.recent.put(news)
  parent.status(news)
  if (news.status === 'ended' && news.kind === 'verification') {
    parts.settings.tested(news)
    if (news.outcome === 'completed') call = null // its verdict stands in the settings
    attempt(() => parts.settings.reload())
  }
  paint()
}

// nobody shows how to sign in, and says so around the page.
const nobody = () => {
  parts.session.none()
  parent.out()
}

const signedOut = () => {
  unfollow()
  rep = null
  paint()
  nobody()
  banner(null, '', act)
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

window.addEventListener('pagehide', () => { if (call?.status === 'ended') parent.done(call) })

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
  unfollow()
  unfollow = live({
    state: link, back: refresh,
    event: (e) => e.type.startsWith('call.') ? take(e.data) : attempt(() => parts.settings.reload()),
  })
}

const parent = await around({
  token: parts.session.enter,
  dial: async (to, name, metadata) => {
    if (!rep) await start()
    if (!rep) return
    parts.dialer.number(to)
    place(to, name, metadata)
  },
  hangup: () => act('hangup'), toggle: () => attempt(() => parts.settings.toggle()),
})
renewFrom(parent.token)
start()
