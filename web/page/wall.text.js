import { seenBy } from './text.js'

// Every word of the wallboard beside those it shares with the rep's page.
export const words = {
  statuses: { queued: 'Waiting', calling_rep: 'Rep rings', awaiting_confirmation: 'Asked for 1', calling_prospect: 'Prospect rings', in_progress: 'Talking' },
  upNow: 'Up now', endedCalls: 'Calls ended', answerRate: 'Prospects answered',
  noneEnded: 'No call ended in the last hour.',
  noneUp: 'No calls now, and none in the last hour.',
  reasonHead: ['Reason', 'Calls', 'Share'],
  share: (reason) => `Share of ${reason.replaceAll('_', ' ')}`,
  callsHead: ['At', 'Rep', 'To', 'State', 'For', 'Trunk', ''],
  trunksHead: ['Trunk', 'State', 'Channels', 'Round trip'],
  draining: 'draining', trunkUp: 'up', trunkDown: 'DOWN',
  channelsOf: (trunk) => `Channels of ${trunk} in use`,
  live: 'Live',
  seen: seenBy('The rep’s phone', 'The rep', 'The rep’s line', (call) => `Ended: ${call.reason.replaceAll('_', ' ')}`),
  ladder: 'What was said over SIP',
}
