// Tandem is told to stop: no new calls, and the page says why.
import { call, crm, open, state, until } from '../browser.mjs'

export default async () => {
  const page = await open('dot')
  await call(page, '+12025550120')
  await until(page, '#status', 'Connected')
  const second = await open('din')
  await fetch(`${crm}/drain`, { method: 'POST' })
  await call(second, '+12025550100')
  await until(second, '#refused', /restarted/)
  await state(second, '70-draining')
  await until(page, '#status', 'Connected') // what is up goes on
  await page.locator('#acts .end').click()
  await until(page, '#link-text', /Reconnecting|weak/) // with the last call the server goes, too
  await state(page, '71-server-gone')
  await second.context().close()
  await page.context().close()
}
