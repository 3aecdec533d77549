// Plays every story of a rep's page against a tandem whose trunk is simulated, in
// headless Chromium; two at a time, for the machine's sake.
import { close, shots } from './browser.mjs'
import first from './stories/first.mjs'
import newcomer from './stories/newcomer.mjs'
import call from './stories/call.mjs'
import trouble from './stories/trouble.mjs'
import network from './stories/network.mjs'
import look from './stories/look.mjs'
import links from './stories/links.mjs'
import messages from './stories/messages.mjs'
import hubspot from './stories/hubspot.mjs'
import salesforce from './stories/salesforce.mjs'
import wallboard from './stories/wallboard.mjs'
import draining from './stories/draining.mjs'

const wanted = process.env.STORY // "" = all
const play = async (name, story) => {
  if (wanted && name !== wanted) return
  try {
    await story()
  } catch (failure) {
    console.error(`FAIL ${name}\n${failure.stack}\n${await shots(name)}`)
    process.exitCode = 1
  }
}
const waiting = Object.entries({ call, first, newcomer, trouble, hubspot, network, salesforce, links, messages, look })
const lane = async () => { while (waiting.length) await play(...waiting.shift()) }
await Promise.all([lane(), lane()])
await play('wallboard', wallboard) // of what was called
await play('draining', draining) // the last, for nothing comes after it
await close()
