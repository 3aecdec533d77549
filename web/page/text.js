// Every word of the page, in one place for translation. What the alert says of a
// call comes from the server (banner), as does what is wrong with a request.
export const text = {
  keysDial: 'Keys write the number',
  keysSend: 'The keys now go to the prospect’s menu.',
  toHelp: 'Any format, also with an extension: x123.',
  howItGoes: ['Your phone rings', 'You press 1', 'We call them'],
  ready: (number) => `Ready. Your phone ••• ${number.slice(-4)} rings first.`,
  setUpFirst: 'One step before your first call: the number of your phone.',
  testFirst: 'Test your phone once: it rings, you answer and press 1.',
  connected: (who) => `Connected to ${who}`,
  rings: (number) => number ? `rings ••• ${number.slice(-4)}` : '',
  onCall: 'On a call',
  signInFrame: 'Paste the sign-in link that your administrator or CRM gave you.',
  signInThere: 'Sign in where your company’s accounts are. You come back by yourself.',
  signInPage: 'Open Tandem from your CRM, or ask your administrator for a sign-in link. A link works once.',
  setUpH: 'Set up your phone',
  settingsH: 'Settings › Calls',
  example: { US: '(415) 555-0123', CA: '(416) 555-0123', GB: '020 7946 0123', DE: '030 123456', FR: '01 23 45 67 89', ES: '912 345 678', IT: '06 1234 5678', AU: '(02) 5550 1234' },
  numberHelp: (example) => `The phone in your pocket, which rings first. Mobile or landline, e.g. ${example}.`,
  off: 'Pass-through is off: turn it on to call from here.',
  signedIn: (name) => `Signed in as ${name}`,
  saved: (at) => `Saved ${at}`,
  unverified: 'Not tested yet: it rings, you answer, and press 1.',
  tested: '✓ tested',
  verified: (at) => `✓ Tested ${at}: we heard your 1.`,
  testing: 'Your phone will ring. Answer it and press 1.',
  testFailed: (why) => `The test did not work: ${why}`,
  problems: {
    number_not_verified: 'Your phone was not tested yet. Test it: answer, and press 1.',
    pass_through_off: 'Pass-through is off.',
    no_pass_through_number: 'Set the number of your own phone first.',
    rep_busy: 'You are on a call already.',
    no_capacity: 'Every line is taken. Try again in a moment.',
    no_trunk_available: 'No line to the telephone network works now; nothing was dialled. Tell your administrator.',
    store_unavailable: 'Tandem’s disk is full or broken; nothing was dialled. Tell your administrator.',
    draining: 'Tandem is being restarted: no new calls for a moment. Try again in a minute.',
  },
  anyCallerId: 'The company’s usual number',
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
  reconnecting: 'Reconnecting…',
  polling: 'The connection is weak: asking every 2 seconds.',
  lost: 'The server cannot be reached. Check the network; nothing was dialled.',
  signedOut: 'Your sign-in is over.',
  linkExpired: 'This link was used already, or is too old. Ask for a new one.',
  price: (total) => `≈ ${total} a minute, both legs`,
  afterH: (who, reached) => reached ? `How did it go with ${who}?` : `${who} was not reached`,
  outcomeLabel: 'What came of it',
  done: 'Done',
  up: 'Up now',
  dispositions: ['Connected', 'Left voicemail', 'Call back', 'Wrong number', 'Not interested'],
  notes: 'Notes',
  notesSaved: 'Notes saved',
  noCalls: 'No calls yet. Type a number, press Call, and your phone rings.',
  methods: { rfc4733: 'as an event', inband: 'as tones', info: 'by SIP INFO' },
  notCounted: (why) => `not counted, ${why}`,
  happened: 'What happened',
  sounded: 'How it sounded',
  unheard: 'Nothing was heard.',
  jitter: 'jitter', loss: 'loss', trip: 'round trip',
  lossAtMost: (percent) => `loss ${percent} %`,
  figures: 'The same in figures',
  seriesHead: ['Until', 'Jitter', 'Loss'],
  heard: (mean, most, lossy, all, loss) => `Jitter ${mean} ms on average, ${most} ms at most. ${lossy ? `Packets were lost in ${lossy} of ${all} intervals, ${loss} % at most.` : 'No packets were lost.'}`,
  closed: 'Closed',
  causes: { normal: 'hung up', no_answer: 'no answer', busy: 'busy', declined: 'declined', canceled: 'by us', not_confirmed: 'no 1 was pressed', unreachable: 'unreachable', invalid_number: 'no such number', forbidden: 'forbidden', congestion: 'congestion', timeout: 'no reply', media_lost: 'its sound was lost', error: 'error' },
  ladderLink: 'What was said over SIP, for ops',
  outcomes: {
    completed: 'Talked', canceled: 'Canceled', rep_no_answer: 'You did not answer', rep_busy: 'Your phone was busy',
    rep_declined: 'You declined', rep_not_confirmed: 'No 1 was pressed', rep_unreachable: 'Your phone was unreachable',
    prospect_no_answer: 'No answer', prospect_busy: 'Busy', prospect_declined: 'Declined', prospect_unreachable: 'Not in service',
    time_limit: 'Time limit', failed: 'Could not be placed',
  },
}

// What happened in a call is told to its rep, or to ops.
export const seenBy = (phone, did, line, ended) => ({
  steps: {
    'call.queued': 'Requested', 'call.rep_dialing': `${phone} is dialled`, 'call.rep_ringing': `${phone} rings`,
    'call.rep_answered': `${did} answered`, 'call.rep_confirmed': `${did} pressed 1`, 'call.prospect_dialing': 'The prospect is dialled',
    'call.prospect_ringing': 'The prospect’s phone rings', 'call.prospect_answered': 'The prospect answered', 'call.connected': 'Connected',
  },
  confirmedHere: 'Confirmed on the page',
  noted: 'Notes changed',
  ended,
  over: { rep: `${line} is closed`, prospect: 'The prospect’s line is closed' },
  flags: {
    early_media: 'The prospect’s network is heard', one_way_audio_rep: `${phone} is not heard`,
    one_way_audio_prospect: 'The prospect is not heard', failover_used: 'Another trunk was used',
    prospect_answered_late: 'The prospect answered after it was over',
  },
  presses: `Keys that were heard, since ${did.toLowerCase()} answered`,
  heardFrom: { rep: `What came from ${phone.toLowerCase()}`, prospect: 'What came from the prospect' },
})
text.seen = seenBy('Your phone', 'You', 'Your line', (call) => call.banner.text)

// mmss is a length of time in seconds as people read it.
export const mmss = (seconds) => {
  const s = Math.max(0, Math.floor(seconds))
  const two = (n) => String(n).padStart(2, '0')
  return s < 3600 ? `${two(Math.floor(s / 60))}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`
}

// money is an amount as people write it; a price of a minute may be a fraction of a cent.
export const money = (currency, amount) => Number(amount).toLocaleString([], { style: 'currency', currency, maximumFractionDigits: 4 })

// when is a time of day, with its day unless that is today.
export const when = (at) => new Date(at).toDateString() === new Date().toDateString() ? clock(at)
  : new Date(at).toLocaleString([], { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' })

export const clock = (when) => new Date(when).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
