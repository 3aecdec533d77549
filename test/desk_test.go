package test

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// TestDeskPhones: a rep's phone may be a SIP URI whose host a routing rule names. It
// is tested, rung and paid for as such; no other host is reached by it, and nothing
// that may not be dialled as a number.
func TestDeskPhones(t *testing.T) {
	s := setup{
		yaml: `routing:
  - {leg: rep, match: "sip:pbx.example.com", trunks: [carrier]}
  - {leg: rep, trunks: [carrier]}
  - {leg: prospect, trunks: [carrier]}
`,
		phones: map[string]act{"+204": aRep(stays), prospectNumber: aProspect(hangsUpAfter(3 * time.Second))},
	}
	inWorld(t, s, func(w *world) {
		desk := func(number string) map[string]any {
			return map[string]any{"name": "Ana", "pass_through": map[string]any{"number": number}}
		}
		status, rep := w.ask("POST", "/v1/reps", desk(" SIP:204@PBX.example.com "))
		shown, _ := rep["pass_through"].(map[string]any)
		if status != http.StatusCreated || shown["number"] != "sip:204@pbx.example.com" || shown["number_display"] != "204@pbx.example.com" {
			t.Fatalf("%d %v", status, rep)
		}
		id := rep["id"].(string)

		_, call := w.ask("POST", "/v1/reps/"+id+"/verifications", nil)
		if end := w.ended(call["id"].(string)); end["outcome"] != "completed" || end["kind"] != "verification" {
			t.Errorf("%v", end)
		}
		if _, rep := w.ask("GET", "/v1/reps/"+id, nil); rep["pass_through"].(map[string]any)["verified_at"] == nil {
			t.Errorf("not verified: %v", rep)
		}
		_, call = w.ask("POST", "/v1/calls", map[string]any{"rep_id": id, "to": prospectNumber})
		if text := call["banner"]; text == nil {
			t.Fatalf("%v", call)
		}
		end := w.ended(call["id"].(string))
		if cost, _ := end["cost"].(map[string]any); end["outcome"] != "completed" || cost["rep_leg"] != "0.0000" || cost["prospect_leg"] == "0.0000" {
			t.Errorf("%v", end)
		}
		var rung []string
		for _, d := range w.tap.Dialogs("204") {
			rung = append(rung, d.Messages[0].Header("To"))
		}
		if !slices.Equal(rung, []string{"<sip:204@pbx.example.com>", "<sip:204@pbx.example.com>"}) {
			t.Errorf("INVITEs to %v", rung)
		}

		for number, code := range map[string]string{
			"sip:204@elsewhere.example.com":         "destination_not_allowed",
			"sip:911@pbx.example.com":               "emergency_number",
			"sip:+44999@pbx.example.com":            "emergency_number",
			"sip:+19005550123@pbx.example.com":      "destination_not_allowed",
			"sip:9005550123@pbx.example.com":        "destination_not_allowed",
			"sip:204@pbx.example.com:5070":          "invalid_number",
			"sip:204@pbx.example.com;maddr=1.2.3.4": "invalid_number",
			"sip:2 04@pbx.example.com":              "invalid_number",
			"sip:@pbx.example.com":                  "invalid_number",
			"sip:x":                                 "invalid_number",
		} {
			if _, problem := w.ask("PATCH", "/v1/reps/"+id, desk(number)); problem["code"] != code {
				t.Errorf("%s: %v", number, problem)
			}
		}
		long := desk("sip:204@pbx.example.com")
		long["pass_through"].(map[string]any)["extension"] = "7"
		if _, problem := w.ask("PATCH", "/v1/reps/"+id, long); problem["code"] != "extension_invalid" {
			t.Errorf("%v", problem)
		}
		if _, problem := w.ask("POST", "/v1/calls", map[string]any{"rep_id": id, "to": "sip:204@pbx.example.com"}); problem["code"] != "invalid_number" {
			t.Errorf("a prospect's desk: %v", problem)
		}
	})
}

// ended waits for the end of a call, and shows it as the CRM sees it.
func (w *world) ended(id string) (call map[string]any) {
	w.t.Helper()
	w.events(id)
	_, call = w.ask("GET", "/v1/calls/"+id, nil)
	return call
}
