// Somebody who was given a link, and nothing else, makes their first call: they do
// only what the page says, where it says it.
import { blank, links, state } from '../browser.mjs'

export default async () => {
  const page = await blank()
  const reads = (words) => page.getByText(words).filter({ visible: true }).first().waitFor()
  const press = (name) => page.getByRole('button', { name, exact: true }).filter({ visible: true }).click()
  const write = (label, words) => page.getByLabel(label, { exact: true }).pressSequentially(words)

  await page.goto(links.ned)
  await reads('Open your dialer on this device?')
  await press('Open')
  await reads('One step before your first call: the number of your phone.')
  await reads(/The phone in your pocket, which rings first/)
  await write('Pass-through number', '(202) 555-9910')
  await press('Save')
  await reads('Test your phone once: it rings, you answer and press 1.')
  await state(page, '09-test-first')
  await press('Test my phone')
  await reads('Your phone ••• 9910 is ringing. Answer it.')
  await reads('✓ Tested') // they answered, were asked, and pressed
  await reads('Ready. Your phone ••• 9910 rings first.')
  await write('Number to call', '202 555 0120')
  await reads(/a minute, both legs/)
  await press('Call')
  await reads('Your phone ••• 9910 is ringing. Answer it.')
  await reads('Press 1 on your phone to call (202) 555-0120')
  await reads('(202) 555-0120 is ringing…')
  await reads('Connected to (202) 555-0120')
  await state(page, '19-first-call')
  await press('Hang up')
  await reads('How did it go with (202) 555-0120?')
  await page.context().close()
}
