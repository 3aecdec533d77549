// The network is gone in the middle of a call, and comes back. The key
// that was pressed is told of afterwards.
import { call, open, state, until } from '../browser.mjs'

export default async () => {
  const page = await open('net')
  await call(page, '+12025550120')
  await until(page, '#status', 'Connected')
  await page.context().setOffline(true)
  await until(page, '#link-text', /Reconnecting|weak/)
  await until(page, '#status', 'Connected')
  await until(page, '#link-text', 'weak')
  await state(page, '30-weak')
  await page.context().setOffline(false)
  await page.locator('#link').waitFor({ state: 'hidden' })
  await state(page, '31-back')
  await page.locator('#acts .end').click()
  await page.locator('#after').waitFor()
  await page.locator('#calls').getByRole('button', { name: 'Details' }).first().click()
  await until(page, '.timeline', '1 as an event')

  // The server does not answer when the page is opened, and then does.
  await page.route('**/v1/reps/me', (route) => route.abort())
  await page.reload()
  await until(page, '#alert', 'cannot be reached')
  await state(page, '33-unreachable')
  await page.unroute('**/v1/reps/me')
  await until(page, '#status', 'Ready')
  await page.context().close()
}
