package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

var callCommand = command{"TO --rep NUMBER [--wait] | list | show ID | hangup ID", call}

// client speaks to a running tandem.
type client struct {
	url, key string
}

// seen is what the command shows of a call.
type seen struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
	To      string `json:"to"`
	Talk    int    `json:"talk_seconds"`
	Created string `json:"created_at"`
	Banner  struct {
		Text string `json:"text"`
	} `json:"banner"`
}

func call(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("call", flag.ContinueOnError)
	flags.SetOutput(stderr)
	c := client{}
	flags.StringVar(&c.url, "url", "http://127.0.0.1:8080", "where tandem serves")
	flags.StringVar(&c.key, "key", os.Getenv("TANDEM_API_KEY"), "API key; else $TANDEM_API_KEY")
	rep := flags.String("rep", "", "the rep's `NUMBER`")
	from := flags.String("caller-id", "", "what the prospect sees")
	wait := flags.Bool("wait", false, "until the call has ended")
	query := url.Values{}
	for name, what := range map[string]string{"status": "list: only calls that are at it", "outcome": "list: only calls that ended so", "limit": "list: how many, at most 200", "cursor": "list: next_cursor of the page before"} {
		flags.Func(name, what, func(text string) error { query.Set(name, text); return nil })
	}
	asJSON := flags.Bool("json", false, "as JSON")
	var words []string
	for rest := args; ; { // words and flags may be mixed
		if code, done := parseFlags(flags, rest); done {
			return code
		}
		if rest = flags.Args(); len(rest) == 0 {
			break
		}
		words, rest = append(words, rest[0]), rest[1:]
	}
	if len(words) == 0 || (words[0] == "show" || words[0] == "hangup") != (len(words) == 2) {
		fmt.Fprintln(stderr, "usage: tandem call TO --rep NUMBER [--wait] | list [--status S] [--outcome O] | show ID | hangup ID")
		return 2
	}
	answer, err := c.run(words, query, *rep, *from, *wait)
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	if *asJSON {
		fmt.Fprintf(stdout, "%s\n", bytes.TrimSpace(answer))
		return 0
	}
	return show(answer, stdout, stderr)
}

func (c *client) run(words []string, query url.Values, rep, from string, wait bool) ([]byte, error) {
	id := ""
	if len(words) > 1 {
		id = url.PathEscape(words[1])
	}
	switch words[0] {
	case "list":
		return c.do("GET", "/v1/calls?"+query.Encode(), nil)
	case "show":
		return c.do("GET", "/v1/calls/"+id, nil)
	case "hangup":
		return c.do("POST", "/v1/calls/"+id+"/hangup", nil)
	}
	body := map[string]string{"rep_number": rep, "to": words[0]}
	if from != "" {
		body["caller_id"] = from
	}
	answer, err := c.do("POST", "/v1/calls", body)
	for err == nil && wait {
		var s seen
		if err = json.Unmarshal(answer, &s); err != nil || s.Status == "ended" {
			break
		}
		answer, err = c.do("GET", "/v1/calls/"+s.ID+"?wait=ended&timeout_s=60", nil)
	}
	return answer, err
}

func (c *client) do(method, path string, body any) ([]byte, error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, strings.TrimRight(c.url, "/")+path, sent)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Timeout: 90 * time.Second}).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode < 300 {
		return answer, err
	}
	var problem struct{ Code, Detail string }
	if json.Unmarshal(answer, &problem) != nil || problem.Code == "" {
		return nil, fmt.Errorf("%s: %s", response.Status, answer)
	}
	return nil, fmt.Errorf("%s: %s", problem.Code, problem.Detail)
}

// show prints one call, or a list.
func show(answer []byte, stdout, stderr io.Writer) int {
	var list struct{ Data []seen }
	var one seen
	if err := json.Unmarshal(answer, &list); err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	_ = json.Unmarshal(answer, &one) // read as a list a line above
	if one.ID != "" {
		list.Data = []seen{one}
	}
	w := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)
	for _, s := range list.Data {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.ID, s.To, s.Status, s.Reason, s.Banner.Text)
	}
	if err := w.Flush(); err != nil {
		return 1
	}
	return 0
}
