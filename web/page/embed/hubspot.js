// The page inside HubSpot, as the calling app of its Calling Extensions: the app's
// half of what @hubspot/calling-extensions-sdk 0.9.7 says by messages. HubSpot
// sends SYNC until it is acknowledged; from then on each message has a type, data
// and an id.
const version = '0.9.7'
const kept = 'tandem-hubspot'

// What a call came to, as HubSpot puts it (api.md, section 2).
const ends = {
  completed: 'COMPLETED', time_limit: 'COMPLETED', prospect_no_answer: 'NO_ANSWER', prospect_busy: 'BUSY',
  prospect_declined: 'REJECTED', prospect_unreachable: 'FAILED', failed: 'FAILED',
}
const endOf = (call) => ends[call.outcome] ?? 'CANCELED'

export default (act, allowed) => {
  let host // its origin, once it has said SYNC
  let signedIn // undefined = not known yet
  let greeted = false
  let messages = 0
  // What HubSpot knows of the last call outlives a reload of this page, where the
  // browser lets a framed page keep anything.
  let told = {}
  try { told = JSON.parse(sessionStorage.getItem(kept)) ?? {} } catch { /* it does not */ }
  const remember = (news) => {
    told = { ...told, ...news }
    try { sessionStorage.setItem(kept, JSON.stringify(told)) } catch { /* it does not */ }
  }

  const tell = (type, data) => host && window.parent.postMessage({ type, data, messageId: `tandem_${++messages}` }, host)
  const greet = () => {
    if (!host || signedIn === undefined) return
    if (!greeted) tell('INITIALIZED', { isLoggedIn: signedIn, engagementId: told.engagement })
    else tell(signedIn ? 'LOGGED_IN' : 'LOGGED_OUT')
    greeted = true
  }

  const hear = (type, data) => {
    switch (type) {
      case 'DIAL_NUMBER': return act.dial(String(data?.phoneNumber ?? ''), undefined, Object.fromEntries(
        Object.entries({ hubspot_portal_id: data?.portalId, hubspot_object_type: data?.objectType, hubspot_object_id: data?.objectId })
          .filter(([, value]) => value != null).map(([key, value]) => [key, String(value)])))
      case 'END_CALL': return act.hangup()
      case 'CREATE_ENGAGEMENT_SUCCEEDED': return data?.externalCallId === told.id && remember({ engagement: data.engagementId })
    }
  }

  window.addEventListener('message', (e) => {
    if (e.source !== window.parent || !allowed.includes(e.origin)) return
    const { type, data, messageId } = e.data ?? {}
    if (type === 'SYNC') {
      if (host) return // it repeats itself until it has heard us
      host = e.origin
      window.parent.postMessage({ ...e.data, type: 'SYNC_ACK', debugMode: false, version, iFrameUrl: location.origin }, host)
      return greet()
    }
    if (messageId) hear(type, data)
  })

  return {
    token: async () => {}, // HubSpot has none to give
    out: () => { signedIn = false; greet() },
    ready: () => { signedIn = true; greet() },
    status: (call) => {
      if (call.kind !== 'pass_through') return
      const id = { externalCallId: call.id }
      if (told.id !== call.id) {
        if (call.status === 'ended') return // one of before
        told = {}
        remember({ id: call.id })
        tell('OUTGOING_CALL_STARTED', { ...id, toNumber: call.to, fromNumber: call.caller_id, callStartTime: Date.parse(call.created_at), createEngagement: true })
      }
      if (call.connected_at && !told.answered) {
        remember({ answered: true })
        tell('CALL_ANSWERED', id)
      }
      if (call.status === 'ended' && !told.ended) {
        remember({ ended: true })
        tell('CALL_ENDED', { ...id, engagementId: told.engagement, callEndStatus: endOf(call) })
      }
    },
    done: (call) => {
      if (told.id !== call.id || told.completed) return
      remember({ completed: true })
      tell('CALL_COMPLETED', {
        externalCallId: call.id, engagementId: told.engagement, hideWidget: false,
        engagementProperties: {
          hs_timestamp: Date.parse(call.created_at), hs_call_title: `Call to ${call.to_display}`, hs_call_direction: 'OUTBOUND',
          hs_call_status: endOf(call).replace('REJECTED', 'CANCELED'), hs_call_duration: String(1000 * call.talk_seconds),
          hs_call_from_number: call.caller_id, hs_call_to_number: call.to, hs_call_body: [call.disposition, call.notes].filter(Boolean).join('\n'),
        },
      })
    },
  }
}
