#!/usr/bin/env node
// A CRM in Node 18 or later, with no dependency: see ../README.md.
import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'

const { TANDEM_URL = 'http://127.0.0.1:8080', TANDEM_API_KEY, REP = '+12025550110', PROSPECT = '+12025550100', HOOK_PORT = 9000 } = process.env

// send makes a request. What Tandem refuses it explains, by a code that never changes.
async function send(method, path, body, headers = {}) {
  const answer = await fetch(TANDEM_URL + path, {
    method,
    headers: { authorization: `Bearer ${TANDEM_API_KEY}`, 'content-type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  })
  if (answer.ok) return answer
  const problem = await answer.json()
  throw Object.assign(new Error(`${problem.code}: ${problem.detail ?? problem.title}`), { code: problem.code })
}

const tandem = async (...request) => {
  const said = await (await send(...request)).text()
  return said && JSON.parse(said)
}

// follow yields the events of a call until its last. A stream that breaks goes on
// after the event that was seen last.
async function* follow(call) {
  for (let last = ''; ; await setTimeout(2000)) {
    const stream = await send('GET', `/v1/calls/${call}/events`, undefined, { accept: 'text/event-stream', 'last-event-id': last })
    let rest = ''
    try {
      for await (const piece of stream.body.pipeThrough(new TextDecoderStream())) {
        const messages = (rest + piece).split('\n\n')
        rest = messages.pop()
        for (const message of messages) {
          const field = (name) => message.match(new RegExp(`^${name}: (.*)$`, 'm'))?.[1]
          last = field('id') ?? last
          if (!field('data')) continue
          const event = JSON.parse(field('data'))
          yield event
          if (event.type === 'call.ended') return
        }
      }
    } catch (broken) {
      console.error(`the stream broke: ${broken.message}`)
    }
  }
}

// signed checks a signature of the Standard Webhooks specification. While the secret
// is being rotated there are two.
function signed(secret, headers, body) {
  const timestamp = headers['webhook-timestamp']
  if (!(Math.abs(Date.now() / 1000 - timestamp) < 300)) return false
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
  const ours = Buffer.from('v1,' + createHmac('sha256', key).update(`${headers['webhook-id']}.${timestamp}.${body}`).digest('base64'))
  return (headers['webhook-signature'] ?? '').split(' ').map((theirs) => Buffer.from(theirs))
    .some((theirs) => theirs.length === ours.length && timingSafeEqual(theirs, ours))
}

// receiver takes webhooks that are signed by the secret, and hands them on. A CRM
// writes the event down before it answers: what was taken does not come again.
const receiver = (secret, events) => createServer(async (request, response) => {
  const body = await text(request)
  if (!signed(secret, request.headers, body)) return response.writeHead(401).end()
  const event = JSON.parse(body)
  events.emit(event.data.id, event)
  response.writeHead(204).end()
})

// 1. Webhooks: the secret is shown this once.
const address = `http://127.0.0.1:${HOOK_PORT}/hook`
const endpoint = await tandem('POST', '/v1/webhook-endpoints', { url: address, types: ['call.ended'] })
const events = new EventEmitter()
const hooks = receiver(endpoint.secret, events).listen(HOOK_PORT, '127.0.0.1')
await once(hooks, 'listening')
console.log('Webhooks come to', address)

try {
  // 2. The rep, under the id the CRM knows them by, and their phone.
  await tandem('POST', '/v1/reps', { external_id: 'crm-user-7', name: 'Ana Ruiz' }).catch((problem) => {
    if (problem.code !== 'external_id_taken') throw problem // Tandem knows them already
  })
  const ana = await tandem('PATCH', '/v1/reps/ext:crm-user-7', { pass_through: { number: REP, enabled: true } })
  console.log(`${ana.name}'s phone is ${ana.pass_through.number_display}`)

  // 3. What it costs, before the click. No price: the trunk has no rates.
  const quote = await tandem('GET', '/v1/quote?' + new URLSearchParams({ rep_id: 'ext:crm-user-7', to: PROSPECT }))
  console.log(`A call to ${quote.to_display} costs ${quote.total_per_minute} ${quote.currency} a minute`)

  // 4. The call. The same key again would answer with the same call.
  const wanted = { rep_external_id: 'crm-user-7', to: PROSPECT, contact_name: 'Jane Doe', metadata: { crm_id: '0034600001' } }
  const call = await tandem('POST', '/v1/calls', wanted, { 'idempotency-key': randomUUID() })
  const webhook = once(events, call.id)
  console.log(call.id, 'is placed')

  // 5. What happens, while it happens.
  for await (const event of follow(call.id)) console.log(`${event.type}  ${event.data.banner.text}`)

  // 6. The webhook has the last word, and comes again until it was taken.
  const [event] = await webhook
  console.log(`Webhook: ${event.type}, ${event.data.outcome}`)
  const noted = await tandem('PATCH', `/v1/calls/${call.id}`, { disposition: 'interested', notes: 'Send the offer' })
  console.log('Noted:', noted.disposition)
} finally {
  await tandem('DELETE', `/v1/webhook-endpoints/${endpoint.id}`)
  hooks.close()
  hooks.closeAllConnections()
}
