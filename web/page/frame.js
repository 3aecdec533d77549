// frame is the page inside another: messages from the page around it, if that is
// one of those that may embed us. in: tandem.dial {to}, tandem.hangup,
// tandem.toggle; out: tandem.status {call}, tandem.ended {call}. A number that
// comes this way is written into the field; Call stays the rep's to press.
export const frame = (act) => {
  const allowed = document.querySelector('meta[name="tandem-parents"]').content.split(' ').filter(Boolean)
  if (window.parent === window) return { tell: () => {} }
  let origin = null // of the page around us, once it has spoken
  window.addEventListener('message', (e) => {
    if (e.source !== window.parent || !allowed.includes(e.origin)) return
    origin = e.origin
    switch (e.data?.type) {
      case 'tandem.dial': return act.dial(String(e.data.to ?? ''))
      case 'tandem.hangup': return act.hangup()
      case 'tandem.toggle': return act.toggle()
    }
  })
  return {
    tell: (call) => {
      if (origin) window.parent.postMessage({ type: call.status === 'ended' ? 'tandem.ended' : 'tandem.status', call }, origin)
    },
  }
}
