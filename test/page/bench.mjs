// Measures the page: its weight and first paint with nothing in the cache, and how
// long after the event of the prospect's 180 the alert says so. Prints one JSON object.
import { chromium } from 'playwright-core'

const { URL: base, ADMIN_KEY, CHROMIUM, CALLS } = process.env
const links = JSON.parse(process.env.LINKS)
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'] })
const page = await (await browser.newContext()).newPage()
page.setDefaultTimeout(60_000)
await page.goto(links.bob)
await page.getByRole('button', { name: 'Open' }).click()
await page.locator('#dialer').waitFor()
await (await page.context().newCDPSession(page)).send('Network.setCacheDisabled', { cacheDisabled: true })
await page.reload()
await page.locator('#dialer').waitFor()
const paint = await (await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime)).jsonValue()
const [weight, sent] = await page.evaluate(() => ['decodedBodySize', 'encodedBodySize'].map((size) =>
  performance.getEntries().filter((e) => e.entryType === 'navigation' || e.name.includes('/app/')).reduce((sum, e) => sum + e[size], 0)))
await page.evaluate(() => {
  window.said = []
  const status = document.getElementById('status')
  new MutationObserver(() => window.said.push([Date.now(), status.textContent])).observe(status, { childList: true, characterData: true, subtree: true })
})
const ask = async (path) => (await fetch(base + path, { headers: { Authorization: `Bearer ${ADMIN_KEY}` } })).json()
const latencies = []
for (let i = 0; i < Number(CALLS); i++) {
  await page.evaluate(() => { window.said.length = 0 })
  await page.fill('#to', '+12025550102')
  await page.locator('#call').click()
  await page.locator('#status', { hasText: '0102 is ringing' }).waitFor()
  const said = await page.evaluate(() => window.said.find(([, words]) => words.includes('0102 is ringing')))
  await page.locator('#acts .end').click()
  await page.locator('#status', { hasText: 'Canceled' }).waitFor()
  const [call] = (await ask('/v1/calls?limit=1')).data
  const rang = (await ask(`/v1/calls/${call.id}/events`)).data.find((e) => e.type === 'call.prospect_ringing')
  latencies.push(said[0] - Date.parse(rang.timestamp))
}
await browser.close()
latencies.sort((a, b) => a - b)
const at = (p) => latencies[Math.ceil(latencies.length * p) - 1] // nearest rank
console.log(JSON.stringify({ weight, sent, paint, p50: at(0.5), p95: at(0.95) }))
