// A page of somebody else's that drives the dialer in it by messages; and one that
// may not.
import assert from 'node:assert/strict'
import { ask, base, blank, crm, state, until } from '../browser.mjs'

export default async () => {
  const page = await blank()
  await page.goto(`${crm}/messages.html`)
  await until(page, '#said', 'Ready')
  await page.getByRole('button', { name: 'Pass-through on or off' }).click()
  const inside = page.frameLocator('iframe')
  await until(inside, '#off', 'Pass-through is off')
  await page.getByRole('button', { name: 'Pass-through on or off' }).click()
  await inside.locator('#pt[aria-checked="true"]').waitFor()
  await page.getByRole('button', { name: 'Call Jane Doe' }).click()
  await until(page, '#said', 'Press 1 on your phone to call Jane Doe')
  await state(page, '51-messages')
  await page.getByRole('button', { name: 'Hang up' }).click()
  await until(page, '#said', 'Canceled')
  const [call] = (await ask('/v1/calls?limit=1&metadata[deal]=42')).data
  assert.equal(call.contact_name, 'Jane Doe')

  // The session ends: whoever is around gives another token, and the call is made all the same.
  await page.context().clearCookies()
  await page.getByRole('button', { name: 'Call Jane Doe' }).click()
  await until(page, '#said', 'Press 1 on your phone to call Jane Doe')
  await page.getByRole('button', { name: 'Hang up' }).click()
  await until(page, '#said', 'Canceled')

  // Neither the browser shows the page within another site, nor is its message heard.
  const stranger = await blank()
  await stranger.goto(`${crm.replace('localhost', '127.0.0.1')}/messages.html`)
  await stranger.waitForTimeout(1000)
  assert.equal(await stranger.locator('#said').textContent(), '')
  assert.equal(stranger.frames().some((f) => f.url() === `${base}/`), false)
  await stranger.context().close()
  await page.context().close()
}
