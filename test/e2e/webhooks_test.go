package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"tandem/test/carrier"
)

// webhook is what an endpoint received, and what it knows of the sender.
type webhook struct {
	Secret    string            `json:"secret,omitempty"`
	PublicKey string            `json:"public_key,omitempty"`
	Headers   map[string]string `json:"headers"`
	Body      string            `json:"body"`
	believed  bool              // what a receiver must make of it
}

// TestReceiversBelieveOnlyUs: each event of a call, and those sent during a rotation,
// is believed by the JavaScript library of the Standard Webhooks project, and by
// OpenSSL where it is signed by v1a; and none that was changed on the way.
func TestReceiversBelieveOnlyUs(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	got := make(map[string][]webhook) // by scheme
	crm := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		one := webhook{Body: string(body), Headers: make(map[string]string), believed: true}
		for name := range r.Header {
			one.Headers[strings.ToLower(name)] = r.Header.Get(name)
		}
		mu.Lock()
		defer mu.Unlock()
		got[r.URL.Path[1:]] = append(got[r.URL.Path[1:]], one)
	}))
	defer crm.Close()
	received := func(scheme string) []webhook {
		mu.Lock()
		defer mu.Unlock()
		return append([]webhook(nil), got[scheme]...)
	}

	s := newServer(t, digestTrunk(openCarrier(t, carrier.Magic).Addr().Port()))
	s.env = append(s.env, "TANDEM_WEBHOOKS__ALLOW_PRIVATE_NETWORKS=true")
	s.start()
	var all []webhook
	for _, scheme := range []string{"v1", "v1a"} {
		_, made := s.do("POST", "/v1/webhook-endpoints", `{"url":"`+crm.URL+"/"+scheme+`","scheme":"`+scheme+`"}`)
		secret, _ := made["secret"].(string)
		key, _ := made["public_key"].(string)
		code, call := s.do("POST", "/v1/calls", `{"rep_number":"+12025550110","to":"+12025550104","contact_name":"Zoë 🦉 <&>","metadata":{"é":"\"\\"}}`)
		if code != 201 {
			t.Fatalf("%d %v", code, call)
		}
		s.reaches(call["id"].(string), "ended")
		s.until("the last event of the call has come by "+scheme, func() bool {
			before := received(scheme)
			return len(before) > 0 && strings.Contains(before[len(before)-1].Body, `"call.cost_final"`)
		})
		path := "/v1/webhook-endpoints/" + made["id"].(string)
		before := len(received(scheme))
		_, rotated := s.do("POST", path+"/rotate-secret", "")
		if code, problem := s.do("POST", path+"/test", ""); code != 202 {
			t.Fatalf("%d %v", code, problem)
		}
		s.until("webhook.test has come by "+scheme, func() bool { return len(received(scheme)) > before })
		s.do("DELETE", path, "")

		for i, one := range received(scheme) {
			one.Secret, one.PublicKey = secret, key
			all = append(all, one)
			if i >= before { // both secrets sign
				one.Secret, _ = rotated["secret"].(string)
				one.PublicKey, _ = rotated["public_key"].(string)
				all = append(all, one)
			}
			all = append(all, one.changed("body"), one.changed("webhook-id"), one.changed("webhook-timestamp"), one.changed("webhook-signature"))
		}
	}
	verdicts := judged(t, all)
	for i, one := range all {
		if verdicts[i] != one.believed {
			t.Errorf("believed: %v, want %v: %+v", verdicts[i], one.believed, one)
		}
	}
	t.Logf("%d webhooks were judged", len(all))
}

// changed is a webhook of which somebody changed one thing on the way.
func (w webhook) changed(what string) webhook {
	w.believed, w.Headers = false, maps.Clone(w.Headers)
	switch what {
	case "body":
		w.Body = strings.Replace(w.Body, "call", "cell", 1)
		w.Body += " "
	case "webhook-timestamp":
		last := len(w.Headers[what]) - 1
		w.Headers[what] = w.Headers[what][:last] + string('0'+('9'-w.Headers[what][last]))
	default:
		w.Headers[what] = strings.Replace(w.Headers[what], w.Headers[what][8:9], "*", 1)
	}
	return w
}

// judged has receivers judge webhooks.
func judged(t *testing.T, all []webhook) (verdicts []bool) {
	t.Helper()
	install := exec.Command("npm", "ci", "--silent")
	install.Dir = "webhooks"
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var wrong bytes.Buffer
	judge := exec.Command("node", "webhooks/verify.mjs")
	judge.Stdin, judge.Stderr = bytes.NewReader(text), &wrong
	out, err := judge.Output()
	if err != nil || json.Unmarshal(out, &verdicts) != nil || len(verdicts) != len(all) {
		t.Fatalf("%v: %s%s", err, out, wrong.String())
	}
	return verdicts
}
