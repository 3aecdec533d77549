package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tandem/test/carrier"
)

// examples are the CRMs that are there to be copied.
var examples = map[string][]string{
	"curl":   {"../../examples/curl/crm.sh"},
	"Go":     {"go", "run", "../../examples/go"},
	"Python": {"python3", "../../examples/python/crm.py"},
	"Node":   {"node", "../../examples/node/crm.mjs"},
}

// TestExamples runs each against a trunk: its call is placed, followed event by
// event, ends as its webhook says, and has the disposition of the example. A webhook
// that somebody else sends it is refused.
func TestExamples(t *testing.T) {
	for name, command := range examples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, digestTrunk(openCarrier(t, carrier.Magic).Addr().Port()))
			s.env = append(s.env, "TANDEM_WEBHOOKS__ALLOW_PRIVATE_NETWORKS=true")
			s.start()

			if out, err := s.example(command, "tdm_live_nonsense").CombinedOutput(); err == nil || !strings.Contains(string(out), "invalid_key") {
				t.Errorf("with a wrong key: %v\n%s", err, out)
			}
			out := s.follow(s.example(command, s.key))

			found := regexp.MustCompile(`(call_\w+) is placed`).FindStringSubmatch(out)
			if found == nil {
				t.Fatalf("no call was placed:\n%s", out)
			}
			id := found[1]
			call := s.ends(id, "completed", "completed", "prospect")
			if call["disposition"] != "interested" || call["rep_external_id"] != "crm-user-7" || call["metadata"].(map[string]any)["crm_id"] != "0034600001" {
				t.Errorf("%v", call)
			}
			_, history := s.do("GET", "/v1/calls/"+id+"/events", "")
			var want, got []string
			for _, e := range history["data"].([]any) {
				if want = append(want, e.(map[string]any)["type"].(string)); want[len(want)-1] == "call.ended" {
					break
				}
			}
			for _, line := range regexp.MustCompile(`(?m)^(call\.\w+)  `).FindAllStringSubmatch(out, -1) {
				if got = append(got, line[1]); line[1] == "call.ended" {
					break // some also see what it cost
				}
			}
			if !slices.Equal(got, want) || len(want) < 8 {
				t.Errorf("it saw %v, of %v", got, want)
			}
			for _, said := range []string{"Ana Ruiz's phone is (202) 555-0110", "0.0260 USD a minute", "Webhook: call.ended, completed", "Noted: interested"} {
				if !strings.Contains(out, said) {
					t.Errorf("it did not say %q:\n%s", said, out)
				}
			}
			if _, list := s.do("GET", "/v1/webhook-endpoints", ""); len(list["data"].([]any)) > 0 {
				t.Errorf("it left %v", list)
			}
		})
	}
}

// example is how one is started.
func (s *server) example(command []string, key string) *exec.Cmd {
	c := exec.Command(command[0], command[1:]...)
	c.Env = append(os.Environ(), "TANDEM_URL="+s.url, "TANDEM_API_KEY="+key, fmt.Sprint("HOOK_PORT=", freePort(s.T)))
	return c
}

// follow runs an example to its good end, and sends it webhooks that are not ours
// meanwhile.
func (s *server) follow(example *exec.Cmd) string {
	s.Helper()
	var said, wrong bytes.Buffer
	example.Stderr = &wrong
	out, err := example.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := example.Start(); err != nil {
		s.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if hook, is := strings.CutPrefix(lines.Text(), "Webhooks come to "); is {
			s.forge(hook)
		}
	}
	if err := example.Wait(); err != nil {
		s.Fatalf("%v\n%s%s", err, said.String(), wrong.String())
	}
	return said.String()
}

// forge sends an example webhooks that it must not believe.
func (s *server) forge(hook string) {
	s.Helper()
	for _, header := range []map[string]string{
		{},
		{"webhook-id": "evt_1", "webhook-timestamp": "1795420931", "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="},
		{"webhook-id": "evt_1", "webhook-timestamp": "soon", "webhook-signature": "v1"},
	} {
		var code int
		s.until("the receiver answers", func() bool {
			request, err := http.NewRequest("POST", hook, strings.NewReader(`{"type":"call.ended","data":{"outcome":"completed"}}`))
			if err != nil {
				s.Fatal(err)
			}
			for name, value := range header {
				request.Header.Set(name, value)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return false
			}
			code = response.StatusCode
			return response.Body.Close() == nil
		})
		if code != http.StatusUnauthorized {
			s.Errorf("a forged webhook was answered %d", code)
		}
	}
}
