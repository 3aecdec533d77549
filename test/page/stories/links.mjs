// Phone links: those of a CRM's page by dial.js, and those of the whole computer by
// registerProtocolHandler.
import assert from 'node:assert/strict'
import { ask, base, blank, crm, open, state, until } from '../browser.mjs'

export default async () => {
  let page = await blank()
  await page.goto(crm)
  await page.getByRole('link', { name: 'Jane Doe' }).click()
  const inside = page.frameLocator('iframe')
  await until(inside, '#status', 'ringing')
  await until(page, '#said', /0100.*Press 1/)
  await state(page, '50-phone-link')
  await inside.getByRole('button', { name: 'Connect' }).click()
  await until(inside, '#status', 'Connected to')
  await inside.locator('#acts').getByRole('button', { name: 'Hang up' }).click()
  await until(page, '#said', 'Call ended')
  const kept = await ask('/v1/calls?limit=1&metadata[crmId]=0034600001Qk2h0AAB')
  assert.equal(kept.data.length, 1, 'the link\'s data are the call\'s metadata')
  await page.context().close()

  page = await open('dan')
  // Headless browsers have nobody to ask: that the page asks, and how, is all there is to see.
  await page.evaluate(() => { navigator.registerProtocolHandler = (...args) => { window.registered = args } })
  await page.getByText('Settings › Calls').click()
  await page.getByRole('button', { name: 'Use for phone links' }).click()
  assert.deepEqual(await page.evaluate(() => window.registered), ['tel', `${base}/dial?to=%s`])
  await page.goto(`${base}/dial?to=${encodeURIComponent('tel:+1-202-555-0100')}`) // as the browser then opens them
  await until(page, '#price', 'a minute')
  assert.equal(await page.inputValue('#to'), '+1-202-555-0100')
  assert.equal(await page.evaluate(() => document.activeElement.id), 'to', 'Enter calls')
  await page.keyboard.press('Enter')
  await until(page, '#status', 'ringing')
  await page.keyboard.press('Escape')
  await until(page, '#status', 'Canceled')
  await page.context().close()
}
