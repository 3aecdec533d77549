// The page as the calling app of HubSpot, whose side is played by HubSpot's own SDK.
import assert from 'node:assert/strict'
import { ask, blank, crm, links, state, until } from '../browser.mjs'

export default async () => {
  const page = await blank({ viewport: { width: 1100, height: 800 } })
  await page.goto(`${crm}/hubspot.html`)
  const inside = page.frameLocator('iframe')
  const heard = (type) => page.waitForFunction((type) => window.heard.find((m) => m.type === type), type).then((h) => h.jsonValue())
  await heard('READY') // the SDK took our answer to its SYNC
  assert.equal((await heard('INITIALIZED')).data.isLoggedIn, false)
  await until(inside, '#sign-in', 'Sign in where')
  await state(page, '52-hubspot-sign-in')
  await inside.locator('#sign-in-link').fill('an old one')
  await inside.getByRole('button', { name: 'Use the link' }).click()
  await until(inside, '#sign-in-bad', 'used already')
  await inside.locator('#sign-in-link').fill(links.hal)
  await inside.getByRole('button', { name: 'Use the link' }).click()
  await heard('LOGGED_IN')

  await page.locator('#dial').click()
  const started = (await heard('OUTGOING_CALL_STARTED')).data
  const [call] = (await ask('/v1/calls?limit=1&metadata[hubspot_object_id]=101')).data
  assert.equal(started.externalCallId, call.id)
  assert.equal(started.toNumber, '+12025550100')
  assert.equal(started.createEngagement, true)
  await heard('CALL_ANSWERED')
  await state(page, '53-hubspot')
  await page.locator('#end').click()
  assert.deepEqual((await heard('CALL_ENDED')).data, { externalCallId: call.id, engagementId: 4711, callEndStatus: 'COMPLETED' })
  await inside.getByRole('button', { name: 'Left voicemail' }).click()
  await inside.locator('#notes').fill('try again on Monday')
  await until(inside, '#after', 'Notes saved')
  await inside.getByRole('button', { name: 'Done' }).click()
  const { data } = await heard('CALL_COMPLETED')
  assert.equal(data.engagementId, 4711)
  const { hs_call_status, hs_call_body, hs_call_to_number, hs_call_duration } = data.engagementProperties
  assert.deepEqual([hs_call_status, hs_call_body, hs_call_to_number], ['COMPLETED', 'Left voicemail\ntry again on Monday', '+12025550100'])
  assert.match(hs_call_duration, /^(0|\d+000)$/) // whole seconds, as ms

  // Busy, and a reload in the middle: HubSpot is told of each thing once.
  await page.evaluate(() => { window.heard = [] })
  await inside.locator('#to').fill('+12025550101')
  await inside.locator('#call').click()
  await heard('OUTGOING_CALL_STARTED')
  assert.equal((await heard('CALL_ENDED')).data.callEndStatus, 'BUSY')
  assert.equal(await page.evaluate(() => window.heard.filter((m) => m.type === 'CALL_ANSWERED').length), 0)
  assert.equal(await page.evaluate(() => window.heard.filter((m) => m.type === 'OUTGOING_CALL_STARTED').length), 1)

  // The session ends; the next is begun at the CRM's, in a window that closes by itself.
  await page.context().clearCookies()
  await inside.locator('#to').fill('+12025550102')
  await inside.locator('#call').click()
  await heard('LOGGED_OUT')
  await until(inside, '#alert', 'sign-in is over')
  assert.equal(await inside.locator('#sign-in-bad').textContent(), '', 'what was wrong before is not now')
  await state(page, '55-hubspot-session-over')
  const closed = new Promise((done) => page.context().once('page', (beside) => beside.isClosed() ? done() : beside.once('close', done)))
  await inside.getByRole('button', { name: 'Sign in' }).click()
  await closed
  await inside.locator('#dialer').waitFor()
  assert.equal(await inside.locator('#to').inputValue(), '+12025550102', 'what was typed is still there')
  await page.context().close()
}
