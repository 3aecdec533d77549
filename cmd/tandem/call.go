package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
)

var callCommand = command{"TO --rep REP [--wait] | list | show ID | trace ID | hangup ID", call}

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
	c := clientFlags(flags)
	rep := flags.String("rep", "", "the rep: a `NUMBER`, rep_… or ext:YOUR_CRM_USER_ID")
	from := flags.String("caller-id", "", "what the prospect sees")
	wait := flags.Bool("wait", false, "until the call has ended")
	query := url.Values{}
	for name, what := range map[string]string{"status": "list: only calls that are at it", "outcome": "list: only calls that ended so", "limit": "list: how many, at most 200", "cursor": "list: next_cursor of the page before"} {
		flags.Func(name, what, func(text string) error { query.Set(name, text); return nil })
	}
	asJSON := flags.Bool("json", false, "as JSON")
	words, code, done := mixed(flags, args)
	if done {
		return code
	}
	if len(words) == 0 || (words[0] == "show" || words[0] == "trace" || words[0] == "hangup") != (len(words) == 2) {
		fmt.Fprintln(stderr, "usage: tandem call TO --rep REP [--wait] | list [--status S] [--outcome O] | show ID | trace ID | hangup ID")
		return 2
	}
	if words[0] == "trace" && !*asJSON {
		c.accept = "text/plain"
	}
	answer, err := c.run(words, query, *rep, *from, *wait)
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	if *asJSON || words[0] == "trace" {
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
	case "trace":
		return c.do("GET", "/v1/calls/"+id+"/trace", nil)
	case "hangup":
		return c.do("POST", "/v1/calls/"+id+"/hangup", nil)
	}
	body := map[string]string{"to": words[0]}
	switch external, is := strings.CutPrefix(rep, "ext:"); {
	case is:
		body["rep_external_id"] = external
	case strings.HasPrefix(rep, "rep_"):
		body["rep_id"] = rep
	default:
		body["rep_number"] = rep
	}
	if from != "" {
		body["caller_id"] = from
	}
	answer, err := c.do("POST", "/v1/calls", body)
	if wait {
		answer, err = c.untilEnded(answer, err)
	}
	return answer, err
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
