// Drives the rep's page through its states against a tandem whose trunk is
// simulated, in headless Chromium. Each state is looked at by axe-core and kept
// as a picture. Told by the environment: URL, ADMIN_KEY, CHROMIUM, SCREENS, and
// LINKS, a sign-in link for each rep.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const { URL: base, CRM, ADMIN_KEY, CHROMIUM, SCREENS } = process.env
const links = JSON.parse(process.env.LINKS)
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core'), 'utf8')
const patience = 30_000
mkdirSync(SCREENS, { recursive: true })

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
})

// open signs a rep in, in a browser of their own; without a name nobody is.
const open = async (rep, options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1000, height: 800 }, reducedMotion: 'reduce', ...options })
  context.setDefaultTimeout(patience)
  const page = await context.newPage()
  page.faults = []
  page.on('pageerror', (e) => page.faults.push(e.message))
  page.on('console', (m) => m.type() === 'error' && !/Failed to load resource/.test(m.text()) && page.faults.push(m.text()))
  if (rep) {
    await page.goto(links[rep])
    await page.getByRole('button', { name: 'Open' }).click()
    await page.locator('#dialer').waitFor()
  } else {
    await page.goto(base)
  }
  return page
}

// until waits for words in a live region or elsewhere.
const until = (page, selector, words) => page.locator(selector, { hasText: words }).first().waitFor({ timeout: patience })

// state looks at the page as it is now.
const state = async (page, name) => {
  await page.screenshot({ path: `${SCREENS}/${name}.png` })
  await page.evaluate(axe) // by the debugger, which the page's own policy does not bind
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }))
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), [], `${name}: accessibility`)
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)
  assert.equal(wide, false, `${name}: scrolls sideways`)
  assert.deepEqual(page.faults, [], `${name}: errors of the page`)
  console.log(`ok ${name}`)
}

const call = async (page, to) => {
  await page.fill('#to', to)
  await page.locator('#call').click()
}
const ended = (page) => page.locator('#after:visible, #bar[data-tone="failed"]').first().waitFor({ timeout: patience })

// --- nobody is signed in
let page = await open()
await until(page, '#sign-in', 'not signed in')
await state(page, '01-signed-out')
await page.context().close()

// --- no number yet, a bad one, one that is not tested, the test
page = await open('ben')
await until(page, '#off', 'Set the number')
await state(page, '02-no-number')
await page.fill('#number', '911')
await page.locator('#save').click()
await until(page, '#number-bad', /./)
await state(page, '03-bad-number')
await page.fill('#number', '(202) 555-0111')
await page.locator('#save').click()
await until(page, '#tested', 'Not tested yet')
await call(page, '+12025550100')
await until(page, '#refused', /./)
await state(page, '04-not-tested')
await page.locator('#refused button').click()
await until(page, '#status', 'ringing')
await state(page, '05-test-rings')
await until(page, '#tested', 'we heard your 1')
await state(page, '06-tested')
await page.context().close()

// --- off, and on again; refused
page = await open('ana')
await page.locator('#pt').click()
await until(page, '#off', 'Pass-through is off')
assert.equal(await page.locator('#call').isDisabled(), true)
await state(page, '07-off')
await page.locator('#pt').click()
await page.locator('#pt[aria-checked="true"]').waitFor()
await call(page, '+4479460000000')
await until(page, '#refused', /./)
await state(page, '08-refused')

// --- a whole call, by the keyboard alone, in two tabs; reloaded while it is up
await page.focus('#to')
await page.keyboard.press('Control+A')
await page.keyboard.type('(202) 555-0100')
await page.keyboard.press('Enter')
await until(page, '#status', 'is ringing. Answer it')
await state(page, '09-your-phone-rings')
await until(page, '#status', 'Press 1 on your phone')
await page.locator('#acts').getByRole('button', { name: 'Connect' }).waitFor()
await state(page, '10-press-1')
await until(page, '#status', /Calling|is ringing…/)
const second = await page.context().newPage()
await second.goto(base)
await until(page, '#status', 'Connected')
await until(second, '#status', 'Connected')
await state(page, '11-connected')
assert.match(await page.title(), /^● 00:0\d \(202\) 555-0100$/)
const digits = page.waitForResponse((r) => r.url().endsWith('/dtmf'))
await page.getByRole('button', { name: '5 JKL' }).click()
assert.equal((await digits).status(), 202)
assert.equal(await page.inputValue('#to'), '(202) 555-0100', 'a key in a call does not write the number')
await page.reload()
await until(page, '#status', 'Connected')
await page.keyboard.press('Escape')
await until(page, '#status', 'Esc again')
await page.keyboard.press('Escape')
await ended(page)
await until(second, '#status', 'Call ended')
await page.getByRole('button', { name: 'Call back' }).click()
await page.fill('#notes', 'asked for a call on Monday')
await until(page, '#after', 'Notes saved')
await state(page, '12-after')
await page.locator('#calls').getByRole('button', { name: 'Details' }).first().click()
await until(page, '.timeline', 'The prospect answered')
await until(page, '.timeline', '1 as an event')
await state(page, '13-timeline')
await page.reload()
await until(page, '#calls', 'Talked')

// --- hung up while it rings; the prospect is busy
await call(page, '+12025550102')
await until(page, '#status', 'is ringing…')
await page.locator('#acts .end').click()
await until(page, '#status', 'Canceled')
await state(page, '14-canceled')
await call(page, '+12025550101')
await until(page, '#alert', 'Busy')
await state(page, '15-busy')

// --- the network is gone, and comes back
await page.context().setOffline(true)
await until(page, '#link-text', /Reconnecting|weak/)
await until(page, '#link-text', 'weak')
await state(page, '16-weak')
await page.context().setOffline(false)
await page.locator('#link').waitFor({ state: 'hidden' })
await state(page, '17-back')
await page.context().close()

// --- small, dark, large
for (const [name, options] of [['18-narrow', { viewport: { width: 320, height: 640 } }], ['19-dark', { colorScheme: 'dark' }],
  ['20-large', { viewport: { width: 500, height: 400 }, deviceScaleFactor: 2 }]]) {
  page = await open(name.slice(3), options)
  await state(page, name)
  await page.context().close()
}

// --- in a CRM's page, of another site: a phone link is a call
page = await open()
await page.goto(CRM)
await page.getByRole('link', { name: 'Jane Doe' }).click()
const inside = page.frameLocator('iframe')
await until(inside, '#status', 'ringing')
await until(page, '#said', /0100.*Press 1/)
await state(page, '22-embedded')
await until(inside, '#status', 'Connected to')
await inside.locator('#acts').getByRole('button', { name: 'Hang up' }).click()
await until(page, '#said', 'Call ended')
const kept = await (await fetch(`${base}/v1/calls?limit=1&metadata[crmId]=0034600001Qk2h0AAB`, { headers: { Authorization: `Bearer ${ADMIN_KEY}` } })).json()
assert.equal(kept.data.length, 1, 'the link\'s data are the call\'s metadata')
await page.context().close()

// --- the wallboard, by an API key
page = await open()
await page.goto(`${base}/wallboard`)
await page.fill('#key', 'tdm_live_wrong')
await page.getByRole('button', { name: 'Show' }).click()
await until(page, '#alert', /./)
await page.fill('#key', ADMIN_KEY)
await page.getByRole('button', { name: 'Show' }).click()
await until(page, '#status', 'Live')
await until(page, '#trunks', 'simulated')
await until(page, '#hour', 'completed')
await state(page, '21-wallboard')
await page.context().close()

await browser.close()
console.log('every state was seen')
