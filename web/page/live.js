const weakAfter = 10_000 // without a stream for so long, we ask
const askEvery = 2_000

// live follows the rep's events. on.event gets each one, on.back is called
// whenever something may have been missed, on.state with live, reconnecting or
// polling, on.over when the session is no more.
export const live = (on) => {
  let stream, weak, asking, state

  const turn = (next) => {
    if (next !== state) on.state(state = next)
  }

  const ask = () => {
    turn('polling')
    asking = setInterval(on.back, askEvery)
    on.back()
  }

  const open = () => {
    stream = new EventSource('/v1/events?types=call.*,rep.*')
    stream.onopen = () => {
      clearTimeout(weak)
      clearInterval(asking)
      weak = asking = undefined
      turn('live')
      on.back()
    }
    stream.onerror = () => {
      turn(asking ? 'polling' : 'reconnecting')
      weak ??= setTimeout(ask, weakAfter)
      // An answer that is no stream (410, 503) closes for good: begin anew.
      if (stream.readyState === EventSource.CLOSED) setTimeout(open, askEvery)
    }
    for (const type of kinds) stream.addEventListener(type, (e) => on.event(JSON.parse(e.data)))
  }
  open()
}

// Server-sent events are heard by their names; one that is not known here has
// nothing to show.
const kinds = ['queued', 'rep_dialing', 'rep_ringing', 'rep_answered', 'rep_confirmed', 'prospect_dialing', 'prospect_ringing',
  'prospect_answered', 'connected', 'ended', 'cost_final', 'updated'].map((k) => `call.${k}`).concat('rep.updated', 'rep.deleted')
