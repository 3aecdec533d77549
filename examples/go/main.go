// A CRM in Go, with nothing but the standard library: see ../README.md.
package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Call is as much of a call as this CRM wants to know.
type Call struct {
	ID          string
	Outcome     string
	Disposition string
	Banner      struct{ Text string }
}

// Event is what streams and webhooks carry.
type Event struct {
	ID   string // the same whenever it comes again
	Type string
	Data Call
}

func main() {
	t := tandem{url: env("TANDEM_URL", "http://127.0.0.1:8080"), key: os.Getenv("TANDEM_API_KEY")}
	if err := t.integrate(env("REP", "+12025550110"), env("PROSPECT", "+12025550100"), env("HOOK_PORT", "9000")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (t tandem) integrate(rep, prospect, port string) (err error) {
	// 1. Webhooks: the secret is shown this once.
	hooks, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	address := "http://" + hooks.Addr().String() + "/hook"
	var endpoint struct{ ID, Secret string }
	if err := t.do("POST", "/v1/webhook-endpoints", object{"url": address, "types": []string{"call.ended"}}, &endpoint); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.do("DELETE", "/v1/webhook-endpoints/"+endpoint.ID, nil, nil)) }()
	events := make(chan Event, 100)
	go func() { _ = http.Serve(hooks, receive(endpoint.Secret, events)) }() // until the program ends
	fmt.Println("Webhooks come to", address)

	// 2. The rep, under the id the CRM knows them by, and their phone.
	err = t.do("POST", "/v1/reps", object{"external_id": "crm-user-7", "name": "Ana Ruiz"}, nil)
	var refused *Problem
	if errors.As(err, &refused) && refused.Code == "external_id_taken" {
		err = nil // Tandem knows them already
	}
	if err != nil {
		return err
	}
	var ana struct {
		Name        string
		PassThrough struct {
			Display string `json:"number_display"`
		} `json:"pass_through"`
	}
	if err := t.do("PATCH", "/v1/reps/ext:crm-user-7", object{"pass_through": object{"number": rep, "enabled": true}}, &ana); err != nil {
		return err
	}
	fmt.Printf("%s's phone is %s\n", ana.Name, ana.PassThrough.Display)

	// 3. What it costs, before the click. No price: the trunk has no rates.
	var quote struct {
		To       string `json:"to_display"`
		Currency string
		Total    string `json:"total_per_minute"`
	}
	if err := t.do("GET", "/v1/quote?rep_id=ext:crm-user-7&to="+url.QueryEscape(prospect), nil, &quote); err != nil {
		return err
	}
	fmt.Println("A call to", quote.To, "costs", quote.Total, quote.Currency, "a minute")

	// 4. The call. The same key again would answer with the same call.
	var call Call
	if err := t.do("POST", "/v1/calls", object{"rep_external_id": "crm-user-7", "to": prospect, "contact_name": "Jane Doe",
		"metadata": object{"crm_id": "0034600001"}}, &call, "Idempotency-Key", rand.Text()); err != nil {
		return err
	}
	fmt.Println(call.ID, "is placed")

	// 5. What happens, while it happens.
	if err := t.follow(call.ID); err != nil {
		return err
	}

	// 6. The webhook has the last word, and comes again until it was taken.
	for event := range events {
		if event.Data.ID == call.ID {
			fmt.Printf("Webhook: %s, %s\n", event.Type, event.Data.Outcome)
			break
		}
	}
	if err := t.do("PATCH", "/v1/calls/"+call.ID, object{"disposition": "interested", "notes": "Send the offer"}, &call); err != nil {
		return err
	}
	fmt.Println("Noted:", call.Disposition)
	return nil
}

// follow shows the events of a call until its last. A stream that breaks goes on
// after the event that was seen last.
func (t tandem) follow(id string) error {
	last := ""
	for {
		response, err := t.send("GET", "/v1/calls/"+id+"/events", nil, "Accept", "text/event-stream", "Last-Event-ID", last)
		if err != nil {
			return err
		}
		for lines := bufio.NewReader(response.Body); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				break
			}
			if seq, is := strings.CutPrefix(line, "id: "); is {
				last = strings.TrimSpace(seq)
			}
			data, is := strings.CutPrefix(line, "data: ")
			if !is {
				continue
			}
			var event Event
			if err := json.Unmarshal([]byte(data), &event); err != nil {
				return err
			}
			fmt.Printf("%s  %s\n", event.Type, event.Data.Banner.Text)
			if event.Type == "call.ended" {
				return response.Body.Close()
			}
		}
		_ = response.Body.Close() // it was broken
		time.Sleep(2 * time.Second)
	}
}

// receive takes webhooks that are signed by the secret, and hands them on. A CRM
// writes the event down before it answers: what was taken does not come again.
func receive(secret string, events chan<- Event) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil || !signed(secret, r.Header, body) {
			http.Error(w, "not signed by Tandem", http.StatusUnauthorized)
			return
		}
		var event Event
		if err := json.Unmarshal(body, &event); err != nil {
			http.Error(w, "not an event", http.StatusBadRequest)
			return
		}
		events <- event
		w.WriteHeader(http.StatusNoContent)
	}
}

// signed checks a signature of the Standard Webhooks specification. While the
// secret is being rotated there are two.
func signed(secret string, header http.Header, body []byte) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	seconds, bad := strconv.ParseInt(header.Get("webhook-timestamp"), 10, 64)
	if age := time.Since(time.Unix(seconds, 0)); err != nil || bad != nil || age.Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", header.Get("webhook-id"), seconds, body)
	for signature := range strings.FieldsSeq(header.Get("webhook-signature")) {
		theirs, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(signature, "v1,"))
		if err == nil && hmac.Equal(theirs, mac.Sum(nil)) {
			return true
		}
	}
	return false
}

type object map[string]any

// tandem is the API.
type tandem struct{ url, key string }

// Problem is what Tandem answers when it refuses; Code never changes.
type Problem struct{ Code, Detail string }

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// send makes a request; the answer's body must be closed.
func (t tandem) send(method, path string, body any, header ...string) (*http.Response, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequest(method, t.url+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+t.key)
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode < 300 {
		return response, err
	}
	defer response.Body.Close()
	problem := &Problem{Code: response.Status}
	_ = json.NewDecoder(response.Body).Decode(problem) // else the status says it
	return nil, problem
}

// do makes a request and reads its answer.
func (t tandem) do(method, path string, body, answer any, header ...string) error {
	response, err := t.send(method, path, body, header...)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if answer == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
