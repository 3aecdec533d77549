// Somebody who has never seen Tandem makes a call on the demo's page.
import assert from 'node:assert/strict'
import { base, blank, close, state, until } from './browser.mjs'

const page = await blank({ viewport: { width: 1180, height: 820 } })
await page.goto(base)
const dialer = page.frameLocator('#dialer')
await until(dialer, '#status', 'Ready')
assert.equal(await dialer.locator('#to').inputValue(), '+1 202 555 0100', 'somebody to call')
await dialer.getByRole('button', { name: 'Call', exact: true }).click()
await until(page, '#screen', 'Tandem is calling you')
await page.getByRole('button', { name: 'Answer' }).click()
await until(dialer, '#status', 'Press 1 on your phone')
await page.getByLabel('Hear the call here').check()
const heard = () => page.waitForFunction(() => document.getElementById('loud').value > 0.1)
await heard() // the prompt
await state(page, '80-you-are-the-rep')
await page.getByRole('button', { name: '1', exact: true }).click()
await until(dialer, '#status', 'Connected')
await heard() // the prospect
await dialer.getByRole('button', { name: 'Hang up' }).click()
await until(page, '#screen', 'Nothing rings')
await close()
