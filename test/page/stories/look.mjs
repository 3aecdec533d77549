// Small, dark, large: while a call is asked for, and when nothing is. Names and
// numbers that are longer than anybody's.
import assert from 'node:assert/strict'
import { ask, call, open, state, until } from '../browser.mjs'

export default async () => {
  const looks = {
    narrow: { viewport: { width: 320, height: 720 } },
    dark: { colorScheme: 'dark' },
    large: { viewport: { width: 500, height: 400 }, deviceScaleFactor: 2 }, // 1000 by 800 at 200 %
  }
  for (const [name, options] of Object.entries(looks)) {
    const page = await open(name, options)
    await until(page, '#status', 'Ready')
    await state(page, `40-${name}`, name !== 'large')
    await call(page, '+12025550120')
    await until(page, '#status', 'Press 1')
    await state(page, `41-${name}-press-1`)
    await page.getByRole('button', { name: 'Connect' }).click()
    await until(page, '#status', 'Connected')
    await state(page, `42-${name}-connected`)
    await page.locator('#acts .end').click()
    await page.locator('#after').waitFor()
    await page.evaluate(() => scrollTo(0, 0))
    await state(page, `43-${name}-after`)
    await page.locator('#calls').getByRole('button', { name: 'Details' }).first().click()
    await until(page, '.timeline', 'The prospect answered')
    await state(page, `44-${name}-timeline`, true)
    await page.context().close()
  }

  const page = await open('long', looks.narrow)
  const up = await ask('/v1/calls', 'POST', {
    rep_external_id: 'long', to: '(202) 555-0120 x1234567',
    contact_name: 'Hubert Blaine Wolfeschlegelsteinhausenbergerdorff senior, Wolfeschlegelsteinhaus',
  })
  assert.ok(up.id, JSON.stringify(up))
  await until(page, '#status', 'Press 1 on your phone to call Hubert')
  await state(page, '45-long-narrow', true)
  await page.setViewportSize({ width: 1000, height: 800 })
  await state(page, '46-long')
  await page.locator('#acts .end').click()
  await until(page, '#status', 'Canceled')
  await page.setViewportSize(looks.narrow.viewport)
  await state(page, '47-long-after-narrow', true)
  await page.context().close()
}
