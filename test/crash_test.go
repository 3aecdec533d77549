package test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tandem/bridge"
)

// crash ends tandem as a power cut does: from this instant it reaches nobody
// and writes nothing that counts, and another one starts on what the disk held.
func (w *world) crash() {
	w.t.Helper()
	synctest.Wait()
	dir := w.t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(w.db + suffix)
		if err != nil && !os.IsNotExist(err) {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "tandem.db"+suffix), data, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	w.net.Cut(tandemAt.Addr())
	w.tap.unheard(time.Now().Add(-5 * time.Millisecond)) // what is on its way finds nobody
	old, client := w.app, w.http
	w.dead = append(w.dead, func() {
		client.CloseIdleConnections()
		_ = old.Stop(ended()) // its cable is cut: that it says goodbye to nobody is the point
	})
	w.db = filepath.Join(dir, "tandem.db")
	w.cfg.Store.URL = "sqlite://" + w.db
	w.startApp()
}

// TestCrashAnywhere crashes tandem two milliseconds after each message of a call,
// when that is on the wire and nobody has read it. Whatever the moment: the next
// process ends both legs, dials nobody, and writes the one end of the call.
func TestCrashAnywhere(t *testing.T) {
	phones := map[string]act{repNumber: aRep(stays), prospectNumber: aProspect(hangsUpAfter(3 * time.Second))}
	var moments []time.Duration
	inWorld(t, setup{phones: phones}, func(w *world) {
		w.settle(w.place())
		moments = w.tap.moments(w.began)
	})
	if len(moments) < 14 {
		t.Fatalf("a call has only %d moments: %v", len(moments), moments)
	}
	for _, moment := range moments {
		t.Run(moment.String(), func(t *testing.T) {
			inWorld(t, setup{phones: phones}, func(w *world) {
				id := w.place()
				<-time.After(moment + 2*time.Millisecond - time.Since(w.began))
				invites := w.invites()
				w.crash()
				r := w.settle(id)
				if again := w.invites(); again != invites {
					w.t.Errorf("S2: %d INVITEs before the crash, %d in all", invites, again)
				}
				if reason := r.Ending.Reason; reason != bridge.ReasonServerRestart && reason != bridge.ReasonCompleted {
					w.t.Errorf("ended %+v", r.Ending)
				}
				for _, call := range w.carrier.Calls() {
					final, acked, byes, byeSent := call.Fate()
					if final == 0 || !acked || final == 200 && byes == 0 && !byeSent {
						w.t.Errorf("the leg to %s is left: final %d, ACKed %v, %d BYEs\n%s", call.Number, final, acked, byes, w.story("", id))
					}
				}
			})
		})
	}
}

// unheard marks as lost what was sent to tandem after a time.
func (w *Wiretap) unheard(after time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.order {
		for _, m := range d.Messages {
			m.Lost = m.Lost || !m.Out && m.At.After(after)
		}
	}
}

// moments are when messages were sent.
func (w *Wiretap) moments(began time.Time) (all []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.order {
		for _, m := range d.Messages {
			all = append(all, m.At.Sub(began))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// invites is how many INVITEs were sent, each once.
func (w *world) invites() (n int) {
	for _, number := range []string{repNumber, prospectNumber} {
		for _, d := range w.tap.Dialogs(number) {
			for _, m := range d.Messages {
				if m.Out && m.Code == 0 && m.Method == "INVITE" && !m.Again {
					n++
				}
			}
		}
	}
	return n
}
