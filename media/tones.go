package media

import "time"

// toneLevel is that of the network's own tones, dBm0 each.
const toneLevel = -19

// ringbacks are the ringing tones of countries (ITU-T E.180, supplement 2), by
// ISO 3166 code.
var ringbacks = map[string][]tone{
	"us": {{2 * time.Second, toneLevel, []float64{440, 480}}, {4 * time.Second, 0, nil}},
	"gb": {
		{400 * time.Millisecond, toneLevel, []float64{400, 450}}, {200 * time.Millisecond, 0, nil},
		{400 * time.Millisecond, toneLevel, []float64{400, 450}}, {2 * time.Second, 0, nil},
	},
	"de": {{time.Second, toneLevel, []float64{425}}, {4 * time.Second, 0, nil}},
	"fr": {{1500 * time.Millisecond, toneLevel, []float64{440}}, {3500 * time.Millisecond, 0, nil}},
	"it": {{time.Second, toneLevel, []float64{425}}, {4 * time.Second, 0, nil}},
	"es": {{1500 * time.Millisecond, toneLevel, []float64{425}}, {3 * time.Second, 0, nil}},
	"jp": {{time.Second, toneLevel, []float64{400, 416}}, {2 * time.Second, 0, nil}},
	"au": {
		{400 * time.Millisecond, toneLevel, []float64{400, 425}}, {200 * time.Millisecond, 0, nil},
		{400 * time.Millisecond, toneLevel, []float64{400, 425}}, {2 * time.Second, 0, nil},
	},
}

// sameRinging are countries that ring like another.
var sameRinging = map[string]string{
	"ca": "us", "uk": "gb", "ie": "gb", "nz": "gb", "at": "de", "ch": "de", "nl": "de", "be": "de", "se": "de", "pl": "de",
}

// Ringback is what a caller in a country hears while it rings, for ever. One
// that is not known rings like the United States.
func Ringback(country string) Clip {
	if same, ok := sameRinging[country]; ok {
		country = same
	}
	cadence, ok := ringbacks[country]
	if !ok {
		cadence = ringbacks["us"]
	}
	return synthesise(cadence...).Loop()
}

// Chirp says that a key counted: two short rising notes, 90 ms in all.
func Chirp() Clip {
	return synthesise(tone{45 * time.Millisecond, -16, []float64{880}}, tone{45 * time.Millisecond, -16, []float64{1175}})
}

// Tick says that the far end is being called: a soft knock each 2 s.
func Tick() Clip {
	return synthesise(tone{30 * time.Millisecond, -30, []float64{660}}, tone{1970 * time.Millisecond, 0, nil}).Loop()
}

// Beep warns of the time limit.
func Beep() Clip { return synthesise(tone{150 * time.Millisecond, -20, []float64{1000}}) }

// EndTone says that the far end hung up: two falling notes.
func EndTone() Clip {
	return synthesise(tone{200 * time.Millisecond, -19, []float64{620}}, tone{300 * time.Millisecond, -19, []float64{480}})
}

// ErrorTone says, softly, that a key meant nothing.
func ErrorTone() Clip { return synthesise(tone{150 * time.Millisecond, -24, []float64{300}}) }
