// Reps of a trunk with two lines that takes one INVITE in four seconds, and of a disk
// that gets full, until the trunk is gone.
import { appendFileSync, rmSync } from 'node:fs'
import { ADMIN_KEY, base, blank, call, close, open, state, until } from './browser.mjs'

const filler = `${process.env.DISK}/filler`
const fill = () => {
  for (const chunk of [1 << 16, 1 << 10, 1]) {
    try {
      for (;;) appendFileSync(filler, Buffer.alloc(chunk))
    } catch (full) {
      if (full.code !== 'ENOSPC') throw full
    }
  }
}

const [kim, lou, max] = await Promise.all(['kim', 'lou', 'max'].map((rep) => open(rep)))
await call(kim, '+12025550120')
await until(kim, '#status', 'is ringing')
await call(lou, '+12025550102')
await until(lou, '#status', 'Waiting for a line…')
await state(lou, '26-waiting')
await call(max, '+12025550120')
await until(max, '#refused', 'Every line is taken')
await state(max, '27-no-line')
await until(kim, '#alert', 'No 1 was pressed. Did voicemail answer?')
await state(kim, '28-no-1')
await lou.locator('#acts .end').click()
await until(lou, '#status', 'Canceled')

fill()
await call(max, '+12025550120')
await until(max, '#refused', 'nothing was dialled')
await state(max, '29-disk-full')
rmSync(filler)
await max.locator('#call').click()
await until(max, '#status', 'is ringing')
await max.locator('#acts .end').click()
await until(max, '#status', 'Canceled')

// The wallboard hears of the trunk at once, and the rep when they call.
const wall = await blank()
await wall.goto(`${base}/wallboard`)
await wall.getByLabel('API key').fill(ADMIN_KEY)
await wall.getByRole('button', { name: 'Show' }).click()
await until(wall, '#trunks .good', 'up')
await fetch(process.env.PLUG)
await until(wall, '#alert', 'Down: simulated')
await state(wall, '65-wallboard-trunk-down')
await max.locator('#call').click()
await until(max, '#alert', /Could not place the call/)
await state(max, '34-no-trunk')
await close()
