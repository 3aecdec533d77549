// Somebody who has never seen Tandem makes a call on the demo's page.
import assert from 'node:assert/strict'
import { base, blank, close, state, until } from './browser.mjs'

const page = await blank({ viewport: { width: 1180, height: 820 } })
await page.addInitScript(() => { // what is given to the loudspeaker
  window.played = { seconds: 0, peak: 0 }
  const start = AudioBufferSourceNode.prototype.start
  AudioBufferSourceNode.prototype.start = function (...when) {
    window.played.seconds += this.buffer.duration
    window.played.peak = Math.max(window.played.peak, ...this.buffer.getChannelData(0).map(Math.abs))
    return start.apply(this, when)
  }
})
await page.goto(base)
const dialer = page.frameLocator('#dialer')
await until(dialer, '#status', 'Ready')
assert.equal(await dialer.locator('#to').inputValue(), '+1 202 555 0100', 'somebody to call')
await dialer.getByRole('button', { name: 'Call', exact: true }).click()
await until(page, '#screen', 'Tandem is calling you')
await page.getByRole('button', { name: 'Answer' }).click()
await until(dialer, '#status', 'Press 1 on your phone')
await until(page, '[aria-current="step"]', 'Press 1 on it.')
await page.getByLabel('Hear the call here').check()
const heard = async (what) => {
  await page.evaluate(() => { window.played = { seconds: 0, peak: 0 } })
  const sound = await page.waitForFunction(() => window.played.seconds > 0.5 && window.played.peak > 0.05 && document.getElementById('loud').value > 0.1 && window.played)
  const { seconds, peak } = await sound.jsonValue()
  console.log(`${what}: ${seconds.toFixed(2)} s played, peak ${(20 * Math.log10(peak)).toFixed(1)} dBFS`)
}
await heard('the prompt')
await state(page, '80-you-are-the-rep')
await page.getByRole('button', { name: '1', exact: true }).click()
await until(dialer, '#status', 'Connected')
await until(page, '#screen', 'You are connected')
await heard('the prospect')
await state(page, '81-you-are-connected')
await dialer.getByRole('button', { name: 'Hang up' }).click()
await until(page, '#screen', 'Nothing rings')
await close()
