// Every word of the page, in one place for translation. What the alert says of a
// call comes from the server (banner), as does what is wrong with a request.
export const text = {
  keysDial: 'Keys write the number',
  keysSend: 'Keys go to the prospect',
  toHelp: 'Paste it as you have it. An extension may follow: x123.',
  example: { US: '(415) 555-0123', CA: '(416) 555-0123', GB: '020 7946 0123', DE: '030 123456', FR: '01 23 45 67 89', ES: '912 345 678', IT: '06 1234 5678', AU: '(02) 5550 1234' },
  numberHelp: (example) => `The phone in your pocket, e.g. ${example}. It rings first when you call.`,
  noNumber: 'Set the number of your own phone first: it rings when you press Call.',
  off: 'Pass-through is off: turn it on to call from here.',
  signedIn: (name) => `Signed in as ${name}`,
  saved: (at) => `Saved ${at}`,
  unverified: 'Not tested yet. Press Test my phone, answer it, and press 1.',
  verified: (when) => `Tested ${when}: we heard your 1.`,
  testing: 'Your phone will ring. Answer it and press 1.',
  testFailed: (why) => `The test did not work: ${why}`,
  problems: {
    number_not_verified: 'Your phone was not tested yet. Test it: answer, and press 1.',
    pass_through_off: 'Pass-through is off.',
    no_pass_through_number: 'Set the number of your own phone first.',
  },
  anyCallerId: "The trunk's own number",
  hangup: 'Hang up',
  confirm: 'Connect',
  sure: 'Press Esc again to hang up',
  again: 'Call again',
  details: 'Details',
  call: 'Call',
  showCall: 'Show the call',
  turnOn: 'Turn it on',
  setNumber: 'Set the number',
  testPhone: 'Test my phone',
  live: 'Live',
  reconnecting: 'Reconnecting…',
  polling: 'The connection is weak: asking every 2 seconds.',
  lost: 'The server cannot be reached. Check the network; nothing was dialled.',
  signedOut: 'Your sign-in is over. Open Tandem from your CRM again.',
  price: (currency, total) => `≈ ${total} ${currency}/min, two legs`,
  outcomeH: 'How did it go?',
  dispositions: ['Connected', 'Left voicemail', 'Call back', 'Wrong number', 'Not interested'],
  notes: 'Notes',
  notesSaved: 'Notes saved',
  noCalls: 'No calls yet.',
  rep: 'Your phone',
  prospect: 'Prospect',
  steps: {
    'call.queued': 'Asked for', 'call.rep_dialing': 'Your phone is dialled', 'call.rep_ringing': 'Your phone rings',
    'call.rep_answered': 'You answered', 'call.rep_confirmed': 'You pressed 1', 'call.prospect_dialing': 'The prospect is dialled',
    'call.prospect_ringing': 'The prospect’s phone rings', 'call.prospect_answered': 'The prospect answered',
    'call.connected': 'Connected', 'call.ended': 'Ended', 'call.cost_final': 'Price known', 'call.updated': 'Noted',
  },
  presses: 'Keys heard from your phone, after you answered',
  methods: { rfc4733: 'as an event', inband: 'as tones', info: 'by SIP INFO' },
  notCounted: (why) => `not counted, ${why}`,
  over: { rep: 'Your line is closed', prospect: 'The prospect’s line is closed' },
  flags: {
    early_media: 'The prospect’s network is heard', one_way_audio_rep: 'Nothing is heard from your phone',
    one_way_audio_prospect: 'Nothing is heard from the prospect', failover_used: 'Another trunk was used',
    prospect_answered_late: 'The prospect answered after it was over',
  },
  quality: ['', 'Heard as', 'Jitter', 'Lost', 'Round trip'],
  outcomes: {
    completed: 'Talked', canceled: 'Canceled', rep_no_answer: 'You did not answer', rep_busy: 'Your phone was busy',
    rep_declined: 'You declined', rep_not_confirmed: 'No 1 was pressed', rep_unreachable: 'Your phone was unreachable',
    prospect_no_answer: 'No answer', prospect_busy: 'Busy', prospect_declined: 'Declined', prospect_unreachable: 'Not in service',
    time_limit: 'Time limit', failed: 'Could not be placed',
  },
}

// mmss is a length of time in seconds as people read it.
export const mmss = (seconds) => {
  const s = Math.max(0, Math.floor(seconds))
  const two = (n) => String(n).padStart(2, '0')
  return s < 3600 ? `${two(Math.floor(s / 60))}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`
}

export const clock = (when) => new Date(when).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
