// A whole call, by the keyboard alone, in two tabs; reloaded while it is up; what is
// noted after it, and what happened in it.
import assert from 'node:assert/strict'
import { ask, base, call, open, state, until } from '../browser.mjs'

export default async () => {
  let page = await open('rob')
  await call(page, '+12025550120')
  await until(page, '#status', /Your phone ••• \d\d15 is ringing. Answer it./)
  await state(page, '11-your-phone-rings')
  await page.keyboard.press('Escape')
  await until(page, '#status', 'Canceled')
  await page.context().close()

  page = await open('ana')
  await until(page, '#calls', 'No calls yet')
  await until(page, '#status', /Ready. Your phone ••• \d\d13 rings first./)
  await page.fill('#to', '(202) 555-0120')
  await until(page, '#price', /\$0\.026 a minute/)
  await state(page, '10-ready')
  await page.fill('#to', '')
  await page.focus('#to')
  await page.keyboard.type('(202) 555-0120')
  await page.keyboard.press('Enter')
  await until(page, '#status', 'Press 1 on your phone')
  await state(page, '12-press-1')
  await page.locator('#acts').getByRole('button', { name: 'Connect' }).press('Enter')
  await until(page, '#status', /Calling|is ringing…/)
  const second = await page.context().newPage()
  await second.goto(base)
  await until(page, '#status', 'Connected')
  await until(second, '#status', 'Connected')
  second.faults = []
  await state(second, '18-second-tab')
  await state(page, '14-connected')
  assert.match(await page.title(), /^● \d\d:\d\d \(202\) 555-0120$/)
  const digits = page.waitForResponse((r) => r.url().endsWith('/dtmf'))
  await page.getByRole('button', { name: '5 JKL' }).click()
  assert.equal((await digits).status(), 202)
  assert.equal(await page.inputValue('#to'), '(202) 555-0120', 'a key in a call does not write the number')
  await page.reload()
  await until(page, '#status', 'Connected')
  await page.waitForTimeout(7_000) // of sound, for the plot
  await page.keyboard.press('Escape')
  await until(page, '#status', 'Esc again')
  await state(page, '15-hang-up')
  await page.keyboard.press('Escape')
  await page.locator('#after').waitFor()
  await until(second, '#status', 'Call ended')
  await page.getByRole('button', { name: 'Call back' }).click()
  await page.fill('#notes', 'asked for a call on Monday')
  await until(page, '#after', 'Notes saved')
  await state(page, '16-after')
  await page.getByRole('button', { name: 'Done' }).click()
  await page.locator('#after').waitFor({ state: 'hidden' })
  assert.equal(await page.evaluate(() => document.activeElement.id), 'to', 'the next number can be typed at once')

  await page.locator('#calls').getByRole('button', { name: 'Details' }).first().click()
  await until(page, '.timeline', 'The prospect answered')
  await until(page, '.timeline', 'Confirmed on the page')
  for (const side of ['your phone', 'the prospect']) {
    const plot = page.getByRole('img', { name: `What came from ${side}` })
    assert.match(await plot.locator('desc').textContent(), /^Jitter [\d.]+ ms on average.*(lost|No packets)/)
    assert.ok(await plot.locator('.jitter').getAttribute('d'), 'the line of jitter')
  }
  await page.getByText('The same in figures').first().click()
  assert.ok(await page.locator('.detail tbody tr').count() >= 2, 'intervals as figures')
  await state(page, '17-timeline', true)
  const id = (await page.getByRole('link', { name: 'What was said over SIP' }).getAttribute('href')).split('#')[1]
  assert.equal((await ask(`/v1/calls/${id}`)).to, '+12025550120')
  await page.reload()
  await until(page, '#calls', 'Talked')
  await page.context().close()
}
