package api

import (
	"encoding/csv"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tandem/bridge"
	"tandem/store"
)

// billed places and ends a call of two minutes and a bit on both legs.
func (r *rig) billed(body string) string {
	r.Helper()
	_, call := r.do("POST", "/v1/calls", body)
	id := call["id"].(string)
	perMinute, _ := bridge.ParseMoney("0.0200")
	rate := &bridge.Rate{Currency: "USD", PerMinute: perMinute, First: time.Minute, Next: time.Minute}
	r.finish(id, bridge.Event{Type: bridge.CallRepDialing, Side: bridge.Rep, Trunk: "pbx", Rate: rate}, bridge.Event{Type: bridge.CallRepAnswered, Side: bridge.Rep},
		bridge.Event{Type: bridge.CallProspectDialing, Side: bridge.Prospect, Trunk: "carrier", Rate: rate}, bridge.Event{Type: bridge.CallProspectAnswered, Side: bridge.Prospect},
		bridge.Event{Type: bridge.CallEnded, Ending: &bridge.Ending{Outcome: bridge.Completed, Reason: bridge.ReasonCompleted, By: bridge.ByRep}})
	return id
}

func TestCostOfCallsAndMonths(t *testing.T) {
	r := newRig(t, store.Key{})
	r.do("POST", "/v1/reps", `{"name":"Ana","external_id":"=ana()","pass_through":{"number":"+14155550199"}}`)
	id := r.billed(`{"rep_external_id":"=ana()","to":"+14155550123","metadata":{"a":"=1,\"b"}}`)
	if _, call := r.do("GET", "/v1/calls/"+id, ""); asText(call["cost"]) != `{"currency":"USD","final":true,"prospect_leg":"0.0200","prospect_leg_per_minute":"0.0200","rep_leg":"0.0200","rep_leg_per_minute":"0.0200","total":"0.0400"}` {
		t.Errorf("%v", call["cost"])
	}
	r.do("PATCH", "/v1/calls/"+id, `{"disposition":"@SUM(1)"}`) // costs nothing more
	month := time.Now().UTC().Format("2006-01")
	_, totals := r.do("GET", "/v1/totals?month="+month, "")
	rows := totals["data"].([]any)
	if len(rows) != 2 || !strings.Contains(asText(rows), `"cost":"0.0200"`) || !strings.Contains(asText(rows), `"trunk":"pbx"`) {
		t.Errorf("%v", totals)
	}
	for _, bad := range []string{"", "2026", "2026-13", "26-11", "2026-11-01"} {
		if res, _ := r.do("GET", "/v1/totals?month="+bad, ""); res.StatusCode != 400 {
			t.Errorf("%q: %d", bad, res.StatusCode)
		}
	}
	span := fmt.Sprintf("?from=%s&to=%s", time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	if _, page := r.do("GET", "/v1/cdrs"+span, ""); !strings.Contains(asText(page), `"total_cost":"0.0400"`) {
		t.Errorf("%v", page)
	}
	// No cell of the CSV is a formula, and none breaks out of its cell.
	q := httptest.NewRequest("GET", "/v1/cdrs"+span+"&format=csv", nil)
	q.Header.Set("Authorization", "Bearer "+r.key)
	w := httptest.NewRecorder()
	r.s.ServeHTTP(w, q)
	table, err := csv.NewReader(w.Body).ReadAll()
	if err != nil || len(table) != 2 || len(table[1]) != len(cdrColumns) {
		t.Fatalf("%v %v", table, err)
	}
	row := make(map[string]string)
	for i, name := range table[0] {
		row[name] = table[1][i]
		if cell := table[1][i]; cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
			t.Errorf("%s is %q", name, cell)
		}
	}
	if row["rep_external_id"] != "'=ana()" || row["disposition"] != "'@SUM(1)" || row["metadata_json"] != `{"a":"=1,\"b"}` || row["total_cost"] != "0.0400" || row["to"] != "'+14155550123" {
		t.Errorf("%v", row)
	}
	for query, status := range map[string]int{"?from=x&to=y": 422, "": 422, span + "&format=xml": 400} {
		if res, _ := r.do("GET", "/v1/cdrs"+query, ""); res.StatusCode != status {
			t.Errorf("%q: %d", query, res.StatusCode)
		}
	}
}

func TestRecordsComeInPages(t *testing.T) {
	r := newRig(t, store.Key{})
	want := map[string]bool{}
	for range cdrPage/100 + 3 { // a page and a bit is enough: shrink the page
		want[r.billed(smallest)] = true
	}
	filter := store.CallFilter{Oldest: true, Limit: 3}
	got, last := 0, ""
	for {
		records, more, err := r.store.Calls(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range records {
			if !want[record.ID] || record.ID <= last {
				t.Errorf("%s after %s", record.ID, last)
			}
			last = record.ID
			got++
		}
		if !more {
			break
		}
		filter.Before = last
	}
	if got != len(want) {
		t.Errorf("%d of %d", got, len(want))
	}
}

func TestQuoteShowsBothLegs(t *testing.T) {
	r := newRig(t, store.Key{})
	_, rep := r.do("POST", "/v1/reps", `{"name":"Ana","pass_through":{"number":"+14155550199"}}`)
	path := "/v1/quote?rep_id=" + rep["id"].(string) + "&to="
	if res, q := r.do("GET", path+"%2B442079460018", ""); res.StatusCode != 200 || q["total_per_minute"] != "0.0400" || q["region"] != "GB" || q["caller_id"] != "+14155550100" || q["trunk"] != "carrier" {
		t.Errorf("%d %v", res.StatusCode, q)
	}
	for query, status := range map[string]int{path + "hello": 422, path + "911": 403, "/v1/quote?to=1": 400, "/v1/quote?rep_id=rep_1&to=1": 404} {
		if res, body := r.do("GET", query, ""); res.StatusCode != status {
			t.Errorf("%s: %d %v", query, res.StatusCode, body)
		}
	}
}
