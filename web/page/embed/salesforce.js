// The page as the softphone of a Salesforce org (Lightning), by Open CTI: numbers
// in records are dialled by a click, and each call becomes a Task of the record
// that it was dialled from. The org's own script speaks to the org; it is loaded
// from the origin that the org names in our address, if that may frame us.
import { alone } from '/app/frame.js'

const api = '62.0'
const people = ['Contact', 'Lead'] // a Task names them in WhoId, all other records in WhatId

const load = (src) => new Promise((done, failed) => {
  const script = document.createElement('script')
  Object.assign(script, { src, onload: done, onerror: () => failed(new Error(src)) })
  document.head.append(script)
})

// taskOf is a call as a Task.
const taskOf = (call) => {
  const { salesforce_record_id: record, salesforce_object_type: type } = call.metadata
  return {
    entityApiName: 'Task', Subject: `Call to ${call.to_display}`, Status: 'Completed', TaskSubtype: 'Call', CallType: 'Outbound',
    CallObject: call.id, CallDurationInSeconds: call.talk_seconds, CallDisposition: call.disposition ?? call.outcome,
    Description: call.notes ?? '', ...(record ? { [people.includes(type) ? 'WhoId' : 'WhatId']: record } : {}),
  }
}

export default async (act, allowed) => {
  const org = new URLSearchParams(location.search).get('sfdcIframeOrigin')
  if (!allowed.includes(org)) return alone
  await load(`${org}/support/api/${api}/lightning/opencti_min.js`)
  const cti = window.sforce.opencti
  const ask = (method, args = {}) => new Promise((answered) => cti[method]({ ...args, callback: answered }))

  let logged // {id: of the call, task: its record}
  const log = async (call) => {
    if (logged?.id !== call.id) logged = { id: call.id }
    const value = logged.task ? { Id: logged.task, ...taskOf(call) } : taskOf(call)
    const answer = await ask('saveLog', { value })
    if (answer.success) logged.task = answer.returnValue.recordId
    if (answer.success) ask('refreshView')
  }
  let saved = Promise.resolve() // one after the other, for the second updates the first's Task
  let up // id of a call that was seen while it was up

  cti.onClickToDial({
    listener: ({ number, recordId, recordName, objectType }) => {
      ask('setSoftphonePanelVisibility', { visible: true })
      act.dial(String(number), recordName, { ...(recordId ? { salesforce_record_id: recordId, salesforce_object_type: objectType } : {}) })
    },
  })
  return {
    // An Apex class of the org asks for the token, as whoever is signed in there.
    token: async () => (await ask('runApex', { apexClass: 'TandemToken', methodName: 'token', methodParams: '' })).returnValue?.runApex,
    out: () => { ask('disableClickToDial') },
    ready: () => { ask('enableClickToDial') },
    status: (call) => {
      if (call.kind !== 'pass_through') return
      if (call.status !== 'ended') up = call.id
      else if (up === call.id) {
        up = null
        saved = saved.then(() => log(call))
      }
    },
    done: (call) => { if (logged?.id === call.id) saved = saved.then(() => log(call)) },
  }
}
