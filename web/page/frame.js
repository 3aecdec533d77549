const patience = 10_000 // for a token

// alone is a page with none around it.
export const alone = { token: async () => {}, out() {}, ready() {}, status() {}, done() {} }

// around is the page's way to what is around it: a page that speaks our messages,
// HubSpot, or a Salesforce org. act is what those may ask for: token(token),
// dial(to, name, metadata), hangup(), toggle(). They are asked for a rep's sign-in
// token(), and told of out() when nobody is signed in, ready() once somebody is,
// status(call) of each event of a call, and done(call) once the rep has noted what
// there is to note of it.
//
// Only pages of http.frame_ancestors are heard or told.
export const around = async (act) => {
  const allowed = document.querySelector('meta[name="tandem-parents"]').content.split(' ').filter(Boolean)
  if (window.parent === window) return alone
  const crm = location.pathname.match(/^\/embed\/(hubspot|salesforce)$/)?.[1]
  return crm ? (await import(`/embed/${crm}.js`)).default(act, allowed) : frame(act, allowed)
}

// frame speaks our own messages. In: tandem.token {token}, tandem.dial {to, name,
// metadata}, tandem.hangup, tandem.toggle. Out: tandem.signin, tandem.ready,
// tandem.status {call}, and tandem.ended {call}.
const frame = (act, allowed) => {
  let answer // takes the token that was asked for
  const tell = (message) => { for (const origin of allowed) window.parent.postMessage(message, origin) }
  window.addEventListener('message', (e) => {
    if (e.source !== window.parent || !allowed.includes(e.origin)) return
    const { type, to, name, metadata, token } = e.data ?? {}
    switch (type) {
      case 'tandem.token': return answer ? answer(token) : token && act.token(token)
      case 'tandem.dial': return act.dial(String(to ?? ''), name, metadata)
      case 'tandem.hangup': return act.hangup()
      case 'tandem.toggle': return act.toggle()
    }
  })
  return {
    token: () => new Promise((answered) => {
      const late = setTimeout(() => answer(), patience)
      answer = (token) => { clearTimeout(late); answer = null; answered(token) }
      tell({ type: 'tandem.signin' })
    }),
    out() {},
    ready: () => tell({ type: 'tandem.ready' }),
    status: (call) => tell({ type: call.status === 'ended' ? 'tandem.ended' : 'tandem.status', call }),
    done() {},
  }
}
