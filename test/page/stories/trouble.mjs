// What goes wrong: switched off, refused, busy already, declined, hung up early.
import assert from 'node:assert/strict'
import { ask, call, open, state, until } from '../browser.mjs'

export default async () => {
  let page = await open('tom')
  await page.locator('#pt').click()
  await until(page, '#off', 'Pass-through is off')
  assert.equal(await page.locator('#call').isDisabled(), true)
  await state(page, '20-off')
  await page.locator('#pt').click()
  await page.locator('#pt[aria-checked="true"]').waitFor()
  await call(page, '+4479460000000')
  await until(page, '#refused', /./)
  await state(page, '21-refused')

  // Hung up while it rings; the prospect is busy.
  await call(page, '+12025550102')
  await until(page, '#status', '0102 is ringing…')
  await state(page, '13-prospect-rings')
  await page.locator('#acts .end').click()
  await until(page, '#status', 'Canceled')
  await state(page, '22-canceled')
  await call(page, '+12025550101')
  await until(page, '#alert', 'Busy')
  await state(page, '23-busy')

  // A call of this rep's is up that this page has not seen.
  await page.context().setOffline(true)
  const [rep] = (await ask('/v1/reps?external_id=tom')).data
  const up = await ask('/v1/calls', 'POST', { rep_id: rep.id, to: '+12025550120', contact_name: 'Jane Doe' })
  await page.route('**/v1/events*', (route) => route.abort()) // and does not hear of
  await page.route('**/v1/reps/me', (route) => route.abort())
  await page.context().setOffline(false)
  await call(page, '+12025550105')
  await until(page, '#refused', /on a call already/)
  await state(page, '24-on-a-call')
  await page.getByRole('button', { name: 'Show the call' }).click()
  await until(page, '#bar', /Jane Doe|Your phone/)
  await page.unroute('**/v1/events*')
  await page.unroute('**/v1/reps/me')
  await page.locator('#acts .end').click()
  await until(page, '#bar', /Canceled|Call ended/)
  assert.equal((await ask(`/v1/calls/${up.id}`)).status, 'ended')
  await page.context().close()

  // Their own phone said no.
  page = await open('dee')
  await call(page, '+12025550100')
  await until(page, '#alert', 'You declined the call')
  await state(page, '25-declined')

  // The session ends: the next thing they do says so, and where to begin another.
  await page.context().clearCookies()
  await call(page, '+12025550100')
  await until(page, '#alert', 'Your sign-in is over')
  await state(page, '32-session-over')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: 'Open' }).click()
  await until(page, '#foot', 'Signed in as Hal') // whom the CRM knows
  await page.context().close()
}
