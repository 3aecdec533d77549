// A double of the script that a Salesforce org serves as
// /support/api/62.0/lightning/opencti_min.js: the methods of Open CTI that the
// softphone uses, with the arguments and answers that its Developer Guide
// describes. The real one can only be had from an org. It asks the page around it,
// examples/embed/salesforce.html, by messages.
(() => {
  const org = new URLSearchParams(location.search).get('sfdcIframeOrigin')
  const waiting = new Map()
  let listener
  let enabled = false
  window.addEventListener('message', ({ source, origin, data }) => {
    if (source !== window.parent || origin !== org) return
    if (data.opencti === 'click' && enabled) listener?.(data.payload)
    if (data.opencti === 'answer') {
      waiting.get(data.id)?.(data.response)
      waiting.delete(data.id)
    }
  })
  const ask = (method) => ({ callback, ...args }) => {
    if (method === 'enableClickToDial') enabled = true
    if (method === 'disableClickToDial') enabled = false
    if (method === 'saveLog' && !(args.value && args.value.entityApiName)) return callback({ success: false, returnValue: null, errors: [{ code: 'INVALID_PARAM' }] })
    const id = waiting.size + Math.random()
    waiting.set(id, callback)
    window.parent.postMessage({ opencti: method, args, id }, org)
  }
  const opencti = { onClickToDial: (args) => { listener = args.listener } }
  for (const method of ['enableClickToDial', 'disableClickToDial', 'runApex', 'saveLog', 'setSoftphonePanelVisibility', 'refreshView']) opencti[method] = ask(method)
  window.sforce = { opencti }
})()
