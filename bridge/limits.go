package bridge

import "time"

// Limits are a call's timers and the rules of its prompt. The names of call.md
// are in brackets.
type Limits struct {
	Trying           time.Duration   // [T_trying] no response at all
	RepProgress      time.Duration   // [T_progress_A] no 18x
	ProspectProgress time.Duration   // [T_progress_B]
	RepRing          time.Duration   // [T_ring_A] from the first 18x
	RepTotal         time.Duration   // [T_ring_A_abs] from the INVITE
	ProspectRing     time.Duration   // [T_ring_B]
	ProspectTotal    time.Duration   // from the INVITE
	Hunt             time.Duration   // from the first INVITE of a side: no other trunk is tried later
	RTPStart         time.Duration   // [T_prompt_start] the prompt waits this long for a first packet …
	PromptDelay      time.Duration   // … and this long after it
	PromptGap        time.Duration   // [T_prompt_gap]
	Plays            int             // how often the prompt is said
	Confirm          time.Duration   // [T_confirm] from the first play
	ConfirmExtension time.Duration   // likewise where the rep's number has an extension
	Extension        time.Duration   // [T_ext] from an answer to the extension's digits
	Pause            time.Duration   // of a "," in an extension
	Warn             []time.Duration // before the time limit, the rep hears a beep
	FirstRTP         time.Duration   // [T_first_rtp] then the rep is reported as not heard
	OneWay           time.Duration   // [T_oneway] likewise either side, from the prospect's answer
	Talk             time.Duration   // [T_max] unless the request asks for less
	Bye              time.Duration   // [T_bye] how long the last hang-ups are waited for
	Queue            time.Duration   // [T_queue] for the trunk's calls-per-second slot
	LongPress        time.Duration   // [T_longpress] a * that is held so long ends the talk …
	DoublePress      time.Duration   // [T_double] … and so does a second one within this
	WrapUp           time.Duration   // the longest the rep is kept to hear why
	Digit            byte            // to be pressed
	Decline          byte            // "not now"; 0 = none
	Double           time.Duration   // [T_dup_window] the same request again is the same call; 0 = it is not
	OneCallPerRep    bool
	Explain          bool // say why a prospect was not reached
	ReadBack         bool // say the prospect's last four digits before the prompt
}

// DefaultLimits are those of call.md section 3.
func DefaultLimits() Limits {
	return Limits{
		Trying:           5 * time.Second,
		RepProgress:      12 * time.Second,
		ProspectProgress: 15 * time.Second,
		RepRing:          20 * time.Second,
		RepTotal:         35 * time.Second,
		ProspectRing:     45 * time.Second,
		ProspectTotal:    60 * time.Second,
		Hunt:             16 * time.Second,
		RTPStart:         400 * time.Millisecond,
		PromptDelay:      200 * time.Millisecond,
		PromptGap:        2 * time.Second,
		Plays:            3,
		Confirm:          20 * time.Second,
		ConfirmExtension: 45 * time.Second,
		Extension:        2 * time.Second,
		Pause:            2 * time.Second,
		Warn:             []time.Duration{time.Minute, 10 * time.Second},
		FirstRTP:         3 * time.Second,
		OneWay:           6 * time.Second,
		Talk:             2 * time.Hour,
		Bye:              5 * time.Second,
		Queue:            30 * time.Second,
		LongPress:        900 * time.Millisecond,
		DoublePress:      700 * time.Millisecond,
		WrapUp:           4 * time.Second,
		Digit:            '1',
		Decline:          '2',
		OneCallPerRep:    true,
		Explain:          true,
	}
}
