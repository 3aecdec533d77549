// Where a page of ours opened this window to sign in, the link's token goes back to
// it. A message to any other opener is dropped by the browser.
window.opener?.postMessage({ token: document.querySelector('[name="token"]')?.value }, location.origin)
