package test

import (
	"testing"
	"time"

	"tandem/test/carrier"
)

// TestRepsExtension: the number is the rep's PBX. Once that has answered, the
// extension is dialled there; only then does the prompt begin, and the rep has the
// time that it takes to be put through.
func TestRepsExtension(t *testing.T) {
	var keys int
	pbx := func(w *world, c *carrier.Call) {
		c.Ring()
		c.Wait(time.Second)
		c.Answer(carrier.RepTone)
		c.Wait(30 * time.Second) // the extension rings: longer than a rep without one may take
		keys = c.Heard().Events
		c.PressEvent('1')
		<-c.Over()
	}
	s := setup{phones: map[string]act{repNumber: pbx, prospectNumber: aProspect(hangsUpAfter(3 * time.Second))}}
	inWorld(t, s, func(w *world) {
		status, rep := w.ask("POST", "/v1/reps", map[string]any{"name": "Ana", "external_id": "ana", "pass_through": map[string]any{"number": repNumber + " ext. 42"}})
		if shown, _ := rep["pass_through"].(map[string]any); status != 201 || shown["extension"] != "42" {
			t.Fatalf("%d %v", status, rep)
		}
		_, call := w.ask("POST", "/v1/calls", map[string]any{"rep_external_id": "ana", "to": prospectNumber})
		id, _ := call["id"].(string)
		if end := w.ended(id); end["outcome"] != "completed" || end["reached_prospect"] != true {
			t.Errorf("%v", end)
		}
		if keys < 10 { // two keys of 100 ms, a packet each 20 ms
			t.Errorf("the PBX heard %d packets of keys", keys)
		}
	})
}
