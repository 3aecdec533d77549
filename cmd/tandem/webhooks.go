package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"tandem/api"
	"tandem/store"
)

var webhooksCommand = command{"add URL | list | listen --forward URL | test ID | replay ID --since 24h | rotate ID | remove ID", webhooks}

const webhooksUsage = "usage: tandem webhooks add URL [--types call.ended,rep.*] | list | listen [--forward URL] [--types …] | test ID | replay ID [--since 24h] | rotate ID | remove ID"

// webhooks keeps the endpoints that events are sent to, and stands in for one.
func webhooks(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("webhooks", flag.ContinueOnError)
	flags.SetOutput(stderr)
	c := clientFlags(flags)
	types := flags.String("types", "", "comma list of events, such as call.ended,rep.*; empty = all")
	forward := flags.String("forward", "", "listen: where to send each event, signed, e.g. http://localhost:3000/hook")
	since := flags.Duration("since", 24*time.Hour, "replay: what was given up in this time")
	asJSON := flags.Bool("json", false, "as JSON")
	words, code, done := mixed(flags, args)
	if done {
		return code
	}
	wanted := map[string]int{"add": 2, "list": 1, "listen": 1, "test": 2, "replay": 2, "rotate": 2, "remove": 2}
	if len(words) == 0 || wanted[words[0]] != len(words) {
		fmt.Fprintln(stderr, webhooksUsage)
		return 2
	}
	const path = "/v1/webhook-endpoints"
	var answer []byte
	var err error
	switch words[0] {
	case "listen":
		l := listener{client: c, forward: *forward, asJSON: *asJSON, out: stdout}
		err = l.run(*types)
		answer = nil
	case "add":
		body := map[string]any{"url": words[1]}
		if *types != "" {
			body["types"] = strings.Split(*types, ",")
		}
		answer, err = c.do("POST", path, body)
	case "list":
		answer, err = c.do("GET", path, nil)
	case "test":
		answer, err = c.do("POST", path+"/"+url.PathEscape(words[1])+"/test", nil)
	case "replay":
		answer, err = c.do("POST", path+"/"+url.PathEscape(words[1])+"/replay", map[string]any{"since": time.Now().Add(-*since).UTC()})
	case "rotate":
		answer, err = c.do("POST", path+"/"+url.PathEscape(words[1])+"/rotate-secret", nil)
	case "remove":
		answer, err = c.do("DELETE", path+"/"+url.PathEscape(words[1]), nil)
	}
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	if *asJSON || len(answer) == 0 {
		if len(answer) > 0 {
			fmt.Fprintf(stdout, "%s\n", answer)
		}
		return 0
	}
	return showEndpoints(answer, stdout, stderr)
}

func showEndpoints(answer []byte, stdout, stderr io.Writer) int {
	var shown struct {
		api.WebhookEndpoint
		Data       []api.WebhookEndpoint
		Deliveries *int
	}
	if err := json.Unmarshal(answer, &shown); err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	if shown.Deliveries != nil {
		fmt.Fprintf(stdout, "%d deliveries are made again\n", *shown.Deliveries)
	}
	if shown.ID != "" {
		shown.Data = []api.WebhookEndpoint{shown.WebhookEndpoint}
	}
	w := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)
	for _, e := range shown.Data {
		state := "enabled"
		if e.DisabledReason != nil {
			state = "disabled: " + *e.DisabledReason
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.ID, e.URL, strings.Join(e.Types, ","), state)
	}
	if err := w.Flush(); err != nil {
		return 1
	}
	if shown.Secret != "" {
		fmt.Fprintf(stdout, "%s\nIt is shown once: verify signatures with it.\n", shown.Secret)
	}
	return 0
}

// listener is a webhook endpoint for a developer's machine, which nobody outside
// could reach: it streams events and hands each on, signed.
type listener struct {
	*client
	forward string
	asJSON  bool
	out     io.Writer
	secret  store.Endpoint
	last    string // Last-Event-ID
}

// run streams until it is interrupted, and comes back after a break where it
// left off.
func (l *listener) run(types string) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	if l.forward != "" {
		l.secret = store.Endpoint{Scheme: "v1", Secret: store.NewSecret()}
		fmt.Fprintf(l.out, "Signed with %s\n", l.secret.SecretText())
	}
	broken := make(chan error, 1)
	for {
		go func() { broken <- l.stream(types) }()
		select {
		case <-signals:
			return nil
		case err := <-broken:
			var refused *apiError
			if errors.As(err, &refused) && refused.Code != "draining" {
				return err
			}
			fmt.Fprintf(l.out, "… %v\n", err)
			select {
			case <-signals:
				return nil
			case <-time.After(2 * time.Second):
			}
		}
	}
}

func (l *listener) stream(types string) error {
	request, err := http.NewRequest("GET", strings.TrimRight(l.url, "/")+"/v1/events?types="+url.QueryEscape(types), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+l.key)
	request.Header.Set("Accept", "text/event-stream")
	if l.last != "" {
		request.Header.Set("Last-Event-ID", l.last)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return problemOf(response)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	id := ""
	for lines.Scan() {
		if value, is := strings.CutPrefix(lines.Text(), "id: "); is {
			id = value
		}
		if data, is := strings.CutPrefix(lines.Text(), "data: "); is {
			l.hand([]byte(data))
			l.last = id
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}

// hand shows one event, and sends it on.
func (l *listener) hand(data []byte) {
	var event struct {
		ID, Type string
		Data     struct{ ID string }
	}
	if err := json.Unmarshal(data, &event); err != nil {
		fmt.Fprintf(l.out, "not an event: %s\n", data)
		return
	}
	said := ""
	if l.forward != "" {
		said = l.post(event.ID, data)
	}
	if l.asJSON {
		fmt.Fprintf(l.out, "%s\n", data)
		return
	}
	fmt.Fprintf(l.out, "%s  %-22s  %s  %s\n", time.Now().Format(time.TimeOnly), event.Type, event.Data.ID, said)
}

func (l *listener) post(id string, body []byte) string {
	request, err := http.NewRequest("POST", l.forward, bytes.NewReader(body))
	if err != nil {
		return err.Error()
	}
	api.SignWebhook(request.Header, &l.secret, id, time.Now(), body)
	response, err := (&http.Client{Timeout: 15 * time.Second}).Do(request)
	if err != nil {
		return err.Error()
	}
	_ = response.Body.Close() // only its status counts
	return strconv.Itoa(response.StatusCode)
}
