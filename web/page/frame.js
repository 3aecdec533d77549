// frame is the page inside another, one of http.frame_ancestors, which speaks to
// it by messages. In: tandem.token {token}, tandem.dial {to, name, metadata},
// tandem.hangup, tandem.toggle. Out: tandem.signin when nobody is signed in,
// tandem.ready once somebody is, tandem.status and tandem.ended {call}. Others
// are neither heard nor told.
export const frame = (act) => {
  const allowed = document.querySelector('meta[name="tandem-parents"]').content.split(' ').filter(Boolean)
  const tell = (message) => {
    if (window.parent !== window) for (const origin of allowed) window.parent.postMessage(message, origin)
  }
  window.addEventListener('message', (e) => {
    if (e.source !== window.parent || !allowed.includes(e.origin)) return
    const { type, to, name, metadata, token } = e.data ?? {}
    switch (type) {
      case 'tandem.token': return act.token(String(token))
      case 'tandem.dial': return act.dial(String(to ?? ''), name, metadata)
      case 'tandem.hangup': return act.hangup()
      case 'tandem.toggle': return act.toggle()
    }
  })
  return {
    signIn: () => tell({ type: 'tandem.signin' }),
    ready: () => tell({ type: 'tandem.ready' }),
    status: (call) => tell({ type: call.status === 'ended' ? 'tandem.ended' : 'tandem.status', call }),
  }
}
