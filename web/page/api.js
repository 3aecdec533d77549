import { text } from './text.js'

// Problem is a refusal of the server's (RFC 9457), or that it was not reached
// (code unreachable).
export class Problem extends Error {
  constructor(body) {
    super(body.errors?.[0]?.detail || body.detail || body.title)
    Object.assign(this, body)
  }
}

let skew = 0 // what the server's clock is ahead of ours, in milliseconds

// now is the server's time.
export const now = () => Date.now() + skew

// renewBy says how a session that is over begins anew: how() tells whether it did.
// What was refused for it is then sent once more.
let renew = async () => false
export const renewBy = (how) => { renew = how }

const send = (method, path, body, headers) => fetch(path, {
  method, headers: body === undefined ? headers : { 'Content-Type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json', ...headers },
  body: body === undefined ? undefined : JSON.stringify(body), credentials: 'same-origin', cache: 'no-store',
}).catch(() => { throw new Problem({ code: 'unreachable', detail: text.lost }) })

// request speaks to the control API by the session's cookie, and returns the
// answer with its ETag.
export const request = async (method, path, body, headers = {}) => {
  let res = await send(method, path, body, headers)
  if (res.status === 401 && await renew()) res = await send(method, path, body, headers)
  const date = Date.parse(res.headers.get('Date'))
  if (!Number.isNaN(date) && Math.abs(date - now()) > 2000) skew = date - Date.now()
  const answer = res.status === 204 || res.headers.get('Content-Length') === '0' ? null : await res.json().catch(() => null)
  if (!res.ok) throw new Problem(answer ?? { code: 'unreachable', detail: text.lost, status: res.status })
  return { body: answer, etag: res.headers.get('ETag') }
}

const get = async (path) => (await request('GET', path)).body
const post = async (path, body, headers) => (await request('POST', path, body, headers)).body

export const api = {
  rep: () => request('GET', '/v1/reps/me'),
  change: (patch, etag) => request('PATCH', '/v1/reps/me', patch, etag ? { 'If-Match': etag } : {}),
  test: () => post('/v1/reps/me/verifications'),
  // Without an Idempotency-Key: the server takes a second click within 3 s for the first.
  call: (wanted) => post('/v1/calls', wanted),
  get: (id) => get(`/v1/calls/${id}`),
  calls: (cursor) => get(`/v1/calls?limit=20${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`),
  events: (id) => get(`/v1/calls/${id}/events`),
  hangup: (id) => post(`/v1/calls/${id}/hangup`),
  confirm: (id) => post(`/v1/calls/${id}/confirm`),
  digits: (id, digits) => post(`/v1/calls/${id}/dtmf`, { digits }),
  note: (id, patch) => request('PATCH', `/v1/calls/${id}`, patch),
  quote: (rep, to) => get(`/v1/quote?rep_id=${encodeURIComponent(rep)}&to=${encodeURIComponent(to)}`),
  // enter uses a sign-in token up; the session's cookie comes with the answer.
  enter: async (token) => {
    const res = await fetch('/signin', { method: 'POST', body: new URLSearchParams({ token }), redirect: 'manual' })
    if (res.type !== 'opaqueredirect') throw new Problem({ code: 'link_expired', detail: text.linkExpired })
  },
  leave: () => post('/signout'),
}
