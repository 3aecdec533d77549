// The page as the softphone of a Salesforce org. The org is a double by the
// documented API (opencti.js, examples/embed/salesforce.html): its script is not to
// be had without an org.
import assert from 'node:assert/strict'
import { ask, base, blank, org, state, until } from '../browser.mjs'

export default async () => {
  const page = await blank({ ignoreHTTPSErrors: true, viewport: { width: 1100, height: 800 } })
  await page.goto(`${org}/salesforce.html`)
  const inside = page.frameLocator('iframe')
  await page.locator('#dial:enabled').click() // the org gave a token
  await until(inside, '#status', 'Press 1 on your phone to call Jane Doe')
  await state(page, '54-salesforce')
  await inside.getByRole('button', { name: 'Connect' }).click()
  const asked = (method) => page.evaluate((method) => window.asked.filter((a) => a.method === method), method)
  assert.deepEqual((await asked('setSoftphonePanelVisibility'))[0].args, { visible: true })
  await until(inside, '#status', 'Connected to Jane Doe')
  assert.equal((await asked('saveLog')).length, 0)
  await inside.locator('#acts').getByRole('button', { name: 'Hang up' }).click()
  const [call] = (await ask('/v1/calls?limit=1&metadata[salesforce_record_id]=0034600001Qk2h0AAB')).data
  await page.waitForFunction(() => window.tasks.size === 1)
  await inside.getByRole('button', { name: 'Call back' }).click()
  await inside.locator('#notes').fill('wants a quote')
  await until(inside, '#after', 'Notes saved')
  await inside.getByRole('button', { name: 'Done' }).click()
  await page.waitForFunction(() => [...window.tasks.values()][0].Description === 'wants a quote')
  const tasks = await page.evaluate(() => [...window.tasks.values()])
  assert.equal(tasks.length, 1, 'one Task a call')
  const { entityApiName, WhoId, CallObject, CallDisposition, CallType } = tasks[0]
  assert.deepEqual([entityApiName, WhoId, CallObject, CallDisposition, CallType], ['Task', '0034600001Qk2h0AAB', call.id, 'Call back', 'Outbound'])

  // An address that names an origin which may not frame us loads nothing from there.
  const stranger = await page.context().newPage()
  const loaded = []
  stranger.on('request', (r) => /opencti/.test(r.url()) && loaded.push(r.url()))
  await stranger.goto(`${base}/embed/salesforce?sfdcIframeOrigin=${encodeURIComponent('http://evil.example')}`)
  await stranger.locator('#sign-in, #dialer').first().waitFor()
  assert.deepEqual(loaded, [])
  await page.context().close()
}
