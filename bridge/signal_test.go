package bridge

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// chime is one of the notes of a network: its frequencies, Hz, and how long.
type chime struct {
	d  time.Duration
	hz []float64
}

var (
	busyTone  = []chime{{500 * time.Millisecond, []float64{480, 620}}, {500 * time.Millisecond, nil}}
	quickTone = []chime{{250 * time.Millisecond, []float64{425}}, {250 * time.Millisecond, nil}}
	ringTone  = []chime{{400 * time.Millisecond, []float64{400, 450}}, {200 * time.Millisecond, nil}, {400 * time.Millisecond, []float64{400, 450}}, {2 * time.Second, nil}}
	notInUse  = []chime{{330 * time.Millisecond, []float64{950}}, {330 * time.Millisecond, []float64{1400}}, {330 * time.Millisecond, []float64{1800}}, {time.Second, nil}}
	noCircuit = []chime{{380 * time.Millisecond, []float64{985.2}}, {380 * time.Millisecond, []float64{1428.5}}, {380 * time.Millisecond, []float64{1776.7}}, {time.Second, nil}}
)

// sounds are chimes again and again, for so long.
func sounds(chimes []chime, d time.Duration) (sound []int16) {
	for {
		for _, c := range chimes {
			for n := range int(c.d.Seconds() * 8000) {
				y := 0.0
				for _, hz := range c.hz {
					y += 3000 * math.Sin(2*math.Pi*hz*float64(n)/8000)
				}
				if sound = append(sound, int16(y)); len(sound) >= int(d.Seconds()*8000) {
					return sound
				}
			}
		}
	}
}

// TestWhatTheNetworkPlaysDecides: busy tones end the attempt, "is not in service" is
// heard to its end, and either is the reason, whatever the SIP code says; but a
// Q.850 cause knows better, and ringing, voices and music change nothing.
func TestWhatTheNetworkPlaysDecides(t *testing.T) {
	for name, tt := range map[string]struct {
		plays   []int16
		to      string
		happens func(f *far)
		outcome Outcome
		reason  Reason
		by      By
	}{
		"busy for ever":               {sounds(busyTone, 9*time.Second), "", neverAnswers, ProspectBusy, ReasonProspectBusy, ByProspect},
		"congestion for ever":         {sounds(quickTone, 9*time.Second), "", neverAnswers, Failed, ReasonTrunkCongestion, ByCarrier},
		"the same in Brazil":          {sounds(quickTone, 9*time.Second), "+551155256325", neverAnswers, ProspectBusy, ReasonProspectBusy, ByProspect},
		"not in use, and silence":     {sounds(notInUse, 5*time.Second), "", neverAnswers, ProspectUnreachable, ReasonProspectInvalid, ByCarrier},
		"not in use, and 480":         {sounds(notInUse, 2*time.Second), "", refuses(480, 0), ProspectUnreachable, ReasonProspectInvalid, ByCarrier},
		"no circuit, and 503":         {sounds(noCircuit, 2*time.Second), "", refuses(503, 0), Failed, ReasonTrunkCongestion, ByCarrier},
		"not in use, and declined":    {sounds(notInUse, 2*time.Second), "", refuses(480, 21), ProspectDeclined, ReasonProspectDeclined, ByProspect},
		"ringing, and nobody answers": {sounds(ringTone, 20*time.Second), "", neverAnswers, ProspectNoAnswer, ReasonProspectNoAnswer, BySystem},
		"a voice, and nobody answers": {greeting(20 * time.Second), "", neverAnswers, ProspectNoAnswer, ReasonProspectNoAnswer, BySystem},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.t = t
				to := prospectNumber
				if tt.to != "" {
					w.b.Policy = func() *Policy { return &Policy{Region: "GB", Allow: []string{"+44", "+55"}} }
					to, w.to = tt.to, tt.to
					w.far[to] = w.far[prospectNumber]
				}
				f := w.far[to]
				f.early, f.silent, f.rings = true, true, 4*time.Second
				tt.happens(f)
				w.start()
				w.until(CallRepAnswered)
				w.press('1')
				w.until(CallProspectRinging)
				w.lineOf(to, "10.0.0.1:20002").say(tt.plays)
				w.wantEnd(tt.outcome, tt.reason, tt.by)
				if record := w.only(); record.Prospect.Hangup == nil || record.Prospect.Hangup.Text == "" {
					t.Errorf("the leg says nothing of it: %+v", record.Prospect.Hangup)
				}
			})
		})
	}
}

// TestABusyToneAfterTheAnswerEndsNothing: the rep hears it, and hangs up.
func TestABusyToneAfterTheAnswerEndsNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		w.connect(Request{To: prospectNumber})
		w.until(CallConnected)
		w.lineOf(prospectNumber, "10.0.0.1:20002").say(sounds(busyTone, 9*time.Second))
		synctest.Wait()
		if record := w.only(); record.Status != InProgress {
			t.Fatalf("the call is %s", record.Status)
		}
		w.hangUp(repNumber)
		w.wantEnd(Completed, ReasonCompleted, ByRep)
	})
}
