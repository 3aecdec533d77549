const weakAfter = 10_000 // without a stream for so long, we ask
const askEvery = 2_000

// live follows the rep's events. on.event gets each one, on.back is called
// whenever something may have been missed, on.state with live, reconnecting or
// polling. What it returns ends it.
export const live = (on) => {
  let stream, weak, asking, again, state

  const turn = (next) => {
    if (next !== state) on.state(state = next)
  }

  const ask = () => {
    turn('polling')
    asking = setInterval(on.back, askEvery)
    on.back()
  }

  const fail = () => {
    turn(asking ? 'polling' : 'reconnecting')
    weak ??= setTimeout(ask, weakAfter)
    // An answer that is no stream (410, 503) closes for good: begin anew.
    if (stream.readyState === EventSource.CLOSED) again ??= setTimeout(open, askEvery)
  }

  const open = () => {
    again = clearTimeout(again)
    stream?.close()
    stream = new EventSource('/v1/events?types=call.*,rep.*')
    stream.onopen = () => {
      weak = clearTimeout(weak)
      asking = clearInterval(asking)
      turn('live')
      on.back()
    }
    stream.onerror = fail
    for (const type of kinds) stream.addEventListener(type, (e) => on.event(JSON.parse(e.data)))
  }

  // A network that is gone does not end the stream by itself for minutes.
  const over = new AbortController()
  const { signal } = over
  window.addEventListener('offline', () => { stream.close(); fail() }, { signal })
  window.addEventListener('online', open, { signal })
  document.addEventListener('visibilitychange', () => { if (!document.hidden) on.back() }, { signal })
  open()
  return () => {
    over.abort()
    stream.close()
    for (const timer of [weak, asking, again]) clearTimeout(timer)
  }
}

// Server-sent events are heard by their names; one that is not known here has
// nothing to show.
const kinds = ['queued', 'rep_dialing', 'rep_ringing', 'rep_answered', 'rep_confirmed', 'prospect_dialing', 'prospect_ringing',
  'prospect_answered', 'connected', 'ended', 'cost_final', 'updated'].map((k) => `call.${k}`).concat('rep.updated', 'rep.deleted')
