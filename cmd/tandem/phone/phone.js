const $ = (id) => document.getElementById(id)

// What the phone does, and once it is answered, what the call has come to: which
// step that is, and what the visitor reads.
const moments = {
  idle: [0, 'Nothing rings. Press Call in the dialer.'],
  ringing: [1, 'Tandem is calling you. Answer, and listen.'],
  up: [2, 'You are on the line. Press 1 to call the prospect; 2 for not now.'],
  calling_prospect: [3, 'Stay on the line: it rings where you called.'],
  in_progress: [3, 'You are connected. Hang up when you are done.'],
}
let phone = 'idle'
let call // its status, as the dialer tells it
const paint = () => {
  const [step, words] = phone === 'up' && moments[call] || moments[phone]
  for (const [i, li] of [...$('steps').children].entries()) li.ariaCurrent = i === step ? 'step' : null
  $('phone').dataset.state = phone
  $('phone').toggleAttribute('data-asks', step === 2)
  if ($('screen').textContent !== words) $('screen').textContent = words
  $('answer').disabled = phone !== 'ringing'
  $('hangup').disabled = phone === 'idle'
  document.title = phone === 'ringing' ? '☎ Your phone rings' : 'You are the rep'
}
const act = (what) => fetch(`act/${encodeURIComponent(what)}`, { method: 'POST' })

$('keys').append(...[...'123456789*0#'].map((d) => {
  const key = document.createElement('button')
  key.textContent = d
  key.addEventListener('click', () => act(d))
  return key
}))
$('answer').addEventListener('click', () => act('answer'))
$('hangup').addEventListener('click', () => act('hangup'))

let playing // aborts what is heard
const hear = async () => {
  playing?.abort()
  const wanted = $('hear').checked && phone === 'up'
  $('level').hidden = !wanted
  if (!wanted) return
  playing = new AbortController()
  const audio = new AudioContext()
  playing.signal.addEventListener('abort', () => audio.close())
  const reader = (await fetch('sound', { signal: playing.signal })).body.getReader()
  let due = 0, odd = new Uint8Array(0)
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    const bytes = new Uint8Array(odd.length + value.length)
    bytes.set(odd)
    bytes.set(value, odd.length)
    odd = bytes.slice(bytes.length & ~1)
    const samples = new Int16Array(bytes.buffer, 0, bytes.length >> 1)
    if (!samples.length) continue
    const heard = Float32Array.from(samples, (x) => x / 32768)
    $('loud').value = Math.sqrt(Math.hypot(...heard) / Math.sqrt(heard.length))
    const buffer = audio.createBuffer(1, samples.length, 8000)
    buffer.getChannelData(0).set(heard)
    const source = audio.createBufferSource()
    source.buffer = buffer
    source.connect(audio.destination)
    // What was heard before now is not played late; 80 ms smooth the stream.
    if (due < audio.currentTime) due = audio.currentTime + 0.08
    source.start(due)
    due += buffer.duration
  }
}
$('hear').addEventListener('change', () => hear().catch(() => {}))

new EventSource('state').onmessage = ({ data }) => {
  phone = data
  paint()
  hear().catch(() => {})
}

// The dialer beside the phone, as a CRM frames it: it asks for a token, and has it
// from whoever knows who is signed in.
const dialer = await (await fetch('dialer')).text()
const frame = $('dialer')
window.addEventListener('message', async (e) => {
  if (e.source !== frame.contentWindow || e.origin !== new URL(dialer).origin) return
  if (e.data.call) {
    call = e.data.call.status
    paint()
  }
  if (e.data.type !== 'tandem.signin') return
  const token = await (await fetch('token', { method: 'POST' })).text()
  frame.contentWindow.postMessage({ type: 'tandem.token', token }, e.origin)
})
frame.src = `${dialer}?to=${encodeURIComponent('+1 202 555 0100')}`
