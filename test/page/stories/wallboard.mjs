// The wallboard, by an API key: calls that are up, trunks, and one call in detail.
import assert from 'node:assert/strict'
import { ADMIN_KEY, ask, base, blank, state, until } from '../browser.mjs'

export default async () => {
  const page = await blank({ viewport: { width: 1280, height: 900 } })
  await page.goto(`${base}/wallboard`)
  await state(page, '60-wallboard-key')
  await page.fill('#key', 'tdm_live_wrong')
  await page.getByRole('button', { name: 'Show' }).click()
  await until(page, '#alert', /./)
  await page.fill('#key', ADMIN_KEY)
  await page.getByRole('button', { name: 'Show' }).click()
  await until(page, '#status', 'Live')
  await until(page, '#trunks', 'simulated')
  const up = await ask('/v1/calls', 'POST', { rep_number: '+12025559910', to: '+12025550120' })
  await until(page, '#up', 'Talking')
  await state(page, '61-wallboard')
  await ask(`/v1/calls/${up.id}/hangup`, 'POST')
  await until(page, '#hour', 'completed')
  await page.locator(`[data-call="${up.id}"]`).click()
  await until(page, '#detail pre', /INVITE[\s\S]*BYE/)
  assert.equal(await page.locator('#detail svg').count(), 2)
  await state(page, '62-wallboard-call', true)

  // Where the rep's page leads: to this call, for whoever has a key.
  await page.goto(`${base}/wallboard#${up.id}`)
  await page.reload()
  await until(page, '#detail-h', up.id)
  await until(page, '#detail pre', /INVITE[\s\S]*BYE/)
  await page.setViewportSize({ width: 320, height: 720 })
  await page.locator('#close').click()
  await page.evaluate(() => scrollTo(0, 0))
  await state(page, '63-wallboard-narrow')
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.setViewportSize({ width: 1280, height: 900 })
  await state(page, '64-wallboard-dark')
  await page.context().close()
}
