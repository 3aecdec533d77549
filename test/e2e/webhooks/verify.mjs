// Judges webhooks as receivers do: reads [{secret, public_key, headers, body}] and
// writes whether each is believed. v1 by the library of the Standard Webhooks
// project; v1a, which that library does not know, by the ed25519 of OpenSSL.
import { createPublicKey, verify } from 'node:crypto'
import { json } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'

const spki = Buffer.from('302a300506032b6570032100', 'hex') // RFC 8410: what stands before an ed25519 key

function believed({ secret, public_key, headers, body }) {
  if (public_key) {
    const key = createPublicKey({ key: Buffer.concat([spki, Buffer.from(public_key.replace('whpk_', ''), 'base64')]), format: 'der', type: 'spki' })
    const signed = Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`)
    return headers['webhook-signature'].split(' ').some((one) => one.startsWith('v1a,') && verify(null, signed, key, Buffer.from(one.slice(4), 'base64')))
  }
  try {
    new Webhook(secret).verify(body, headers)
    return true
  } catch (refused) {
    if (refused.name === 'WebhookVerificationError') return false
    throw refused
  }
}

console.log(JSON.stringify((await json(process.stdin)).map(believed)))
