package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
)

var doNotCallCommand = command{"list | add NUMBER… | import FILE.csv | remove NUMBER: who is never dialled", doNotCall}

const doNotCallUsage = "usage: tandem do-not-call list | add NUMBER… [--reason WHY] | import FILE.csv | remove NUMBER [--json]\n" +
	"  the first column of the CSV is the number; - is standard input"

// doNotCall keeps the list of a running tandem.
func doNotCall(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if wantsHelp(args) {
		fmt.Fprintln(stdout, doNotCallUsage)
		return 0
	}
	flags := flag.NewFlagSet("do-not-call", flag.ContinueOnError)
	flags.SetOutput(stderr)
	c := clientFlags(flags)
	reason := flags.String("reason", "", "add: why, up to 200 characters")
	asJSON := flags.Bool("json", false, "as JSON")
	words, code, done := mixed(flags, args)
	if done {
		return code
	}
	const path = "/v1/do-not-call"
	var answer []byte
	var err error
	switch {
	case len(words) == 1 && words[0] == "list":
		answer, err = c.all(path)
	case len(words) > 1 && words[0] == "add":
		body := map[string]any{"numbers": words[1:]}
		if *reason != "" {
			body["reason"] = *reason
		}
		answer, err = c.do("POST", path, body)
	case len(words) == 2 && words[0] == "import":
		answer, err = c.importNumbers(path, words[1], stdin)
	case len(words) == 2 && words[0] == "remove":
		answer, err = c.do("DELETE", path+"/"+url.PathEscape(words[1]), nil)
	default:
		fmt.Fprintln(stderr, doNotCallUsage)
		return 2
	}
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	return showNumbers(answer, *asJSON, stdout, stderr)
}

// importNumbers sends a CSV as it is.
func (c *client) importNumbers(path, file string, stdin io.Reader) ([]byte, error) {
	if file != "-" {
		in, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer in.Close()
		stdin = in
	}
	request, err := c.request("POST", path, stdin)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "text/csv")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		return nil, problemOf(response)
	}
	return io.ReadAll(response.Body)
}

// showNumbers prints the list, or what became of an addition: exit status 1 where a
// number was refused.
func showNumbers(answer []byte, asJSON bool, stdout, stderr io.Writer) (code int) {
	var shown struct {
		Data []struct {
			Number, Reason string
		}
		Added   *int
		Known   int `json:"already_listed"`
		Refused []struct{ Pointer, Code, Detail string }
	}
	if len(answer) == 0 {
		return 0 // it was removed
	}
	if err := json.Unmarshal(answer, &shown); err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	for _, r := range shown.Refused {
		fmt.Fprintf(stderr, "%s: %s: %s\n", r.Pointer, r.Code, r.Detail)
		code = 1
	}
	if asJSON {
		fmt.Fprintf(stdout, "%s\n", answer)
		return code
	}
	if shown.Added != nil {
		fmt.Fprintf(stdout, "%d added, %d known, %d refused\n", *shown.Added, shown.Known, len(shown.Refused))
	}
	w := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)
	for _, n := range shown.Data {
		fmt.Fprintf(w, "%s\t%s\n", n.Number, n.Reason)
	}
	if err := w.Flush(); err != nil {
		return 1
	}
	return code
}
