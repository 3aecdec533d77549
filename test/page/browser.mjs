// What every story needs: browsers of reps, and a look at a state, which is kept as
// a picture and examined by axe-core. Told by the environment: URL, CRM, ORG,
// ADMIN_KEY, CHROMIUM, SCREENS, and LINKS, a sign-in link for each rep.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

export const { URL: base, CRM: crm, ORG: org, ADMIN_KEY } = process.env
const { CHROMIUM, SCREENS } = process.env
export const links = JSON.parse(process.env.LINKS)
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core'), 'utf8')
export const patience = 45_000
mkdirSync(SCREENS, { recursive: true })

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
    '--autoplay-policy=no-user-gesture-required', `--host-resolver-rules=MAP ${new URL(org).hostname} 127.0.0.1`],
})
export const close = () => browser.close()

// shots tells what every page shows, for whoever reads of a failure.
export const shots = async (story) => {
  const seen = []
  for (const page of browser.contexts().flatMap((c) => c.pages())) {
    const at = `${SCREENS}/failed-${story}-${seen.length}.png`
    await page.screenshot({ path: at }).catch(() => {})
    seen.push(`${page.url()} is ${at}, faults: ${page.faults?.join('; ')}`)
  }
  return seen.join('\n')
}

// blank is a page in a browser of its own; its faults are kept.
export const blank = async (options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1000, height: 800 }, reducedMotion: 'reduce', locale: 'en-US', ...options })
  context.setDefaultTimeout(patience)
  const page = await context.newPage()
  page.faults = []
  page.on('pageerror', (e) => page.faults.push(e.message))
  page.on('console', (m) => m.type() === 'error' && !/Failed to load resource/.test(m.text()) && page.faults.push(m.text()))
  return page
}

// open signs a rep in, in a browser of their own.
export const open = async (rep, options) => {
  const page = await blank(options)
  await page.goto(links[rep])
  await page.getByRole('button', { name: 'Open' }).click()
  await page.locator('#settings').waitFor()
  return page
}

// until waits for words in a live region or elsewhere.
export const until = (page, selector, words) => page.locator(selector, { hasText: words }).first().waitFor({ timeout: patience })

// state looks at the page as it is now.
export const state = async (page, name, fullPage = false) => {
  if (fullPage) await page.evaluate(() => scrollTo(0, 0)) // the bar stays where it is in the picture
  await page.screenshot({ path: `${SCREENS}/${name}.png`, fullPage })
  await page.evaluate(axe) // by the debugger, which the page's own policy does not bind
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }))
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), [], `${name}: accessibility`)
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)
  assert.equal(wide, false, `${name}: scrolls sideways`)
  assert.deepEqual(page.faults, [], `${name}: errors of the page`)
  console.log(`ok ${name}`)
}

export const call = async (page, to) => {
  await page.fill('#to', to)
  await page.locator('#call').click()
}

// ask is a request by the admin's key.
export const ask = async (path, method = 'GET', body) => (await fetch(base + path, {
  method, headers: { Authorization: `Bearer ${ADMIN_KEY}`, 'Content-Type': 'application/json' }, body: body && JSON.stringify(body),
})).json()
