// Turns the phone links of a page into calls by Tandem:
//
//   <script src="https://bridge.example.com/embed/dial.js" data-token-url="/tandem-token" defer></script>
//   <a href="tel:+14155550123" data-crm-id="0034600001Qk2h0AAB">Jane Doe</a>
//
// The page's origin must be in http.frame_ancestors of tandem.yaml. The rep's sign-in
// token comes from the page's own backend, whenever a session is to begin: it has the
// API key, and passes on what POST /v1/reps/{id}/sessions answers when data-token-url
// is posted to. (Or window.tandemToken() returns the token.) No key is ever in a browser.
// data-… attributes of a link go into the call's metadata. document hears
// tandem.status and tandem.ended, with the call in event.detail.
(() => {
  const { src, dataset: { tokenUrl } } = document.currentScript
  const base = new URL(src).origin
  const schemes = /^(tel|callto):(\/\/)?/i
  let frame, bar
  let waiting = [] // messages for a frame that is not ready

  const token = async () => {
    if (window.tandemToken) return window.tandemToken()
    const res = await fetch(tokenUrl, { method: 'POST', credentials: 'include' })
    return res.ok ? (await res.json()).token : null
  }

  const post = (message) => waiting ? waiting.push(message) : frame.contentWindow.postMessage(message, base)

  const open = () => {
    if (frame) return show(true)
    bar = document.createElement('div')
    const root = bar.attachShadow({ mode: 'open' })
    const style = new CSSStyleSheet()
    style.replaceSync(`
      div { position: fixed; inset-block-end: 12px; inset-inline-end: 12px; z-index: 2147483000; width: min(340px, calc(100vw - 24px));
            height: min(560px, calc(100vh - 24px)); display: flex; flex-direction: column; border-radius: 12px; overflow: hidden;
            box-shadow: 0 6px 30px rgb(0 0 0 / .35); background: #fff; }
      button { font: 14px system-ui, sans-serif; min-height: 32px; border: 0; background: #1257c4; color: #fff; cursor: pointer; }
      iframe { flex: 1; border: 0; width: 100%; }`)
    root.adoptedStyleSheets = [style]
    const box = document.createElement('div')
    const close = document.createElement('button')
    close.type = 'button'
    close.textContent = 'Hide the dialer'
    close.addEventListener('click', () => show(false))
    frame = document.createElement('iframe')
    frame.title = 'Tandem dialer'
    frame.src = `${base}/`
    box.append(close, frame)
    root.append(box)
    document.body.append(bar)
  }
  const show = (visible) => { bar.hidden = !visible; bar.style.display = visible ? '' : 'none' }

  window.addEventListener('message', async (e) => {
    if (e.source !== frame?.contentWindow || e.origin !== base) return
    switch (e.data?.type) {
      case 'tandem.signin':
        return frame.contentWindow.postMessage({ type: 'tandem.token', token: await token().catch(() => null) }, base)
      case 'tandem.ready': {
        const early = waiting ?? []
        waiting = null
        return early.forEach(post)
      }
      case 'tandem.status':
      case 'tandem.ended':
        document.dispatchEvent(new CustomEvent(e.data.type, { detail: e.data.call }))
    }
  })

  document.addEventListener('click', (e) => {
    const link = e.target.closest?.('a[href]')
    const href = link?.getAttribute('href') ?? ''
    if (!schemes.test(href) || e.defaultPrevented) return
    e.preventDefault()
    open()
    post({ type: 'tandem.dial', to: decodeURIComponent(href.replace(schemes, '')), name: link.textContent.trim(), metadata: { ...link.dataset } })
  })
})()
