package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

var healthcheckCommand = command{"ask a running tandem whether it is well: for HEALTHCHECK and scripts", healthcheck}

// healthcheck exits 0 where the process answers, or with --ready where it would
// take a call; 1 otherwise.
func healthcheck(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("healthcheck", flag.ContinueOnError)
	flags.SetOutput(stderr)
	at := flags.String("url", serverURL(), "where tandem serves; else $TANDEM_URL")
	ready := flags.Bool("ready", false, "also: would it take a call now")
	asJSON := flags.Bool("json", false, "as JSON")
	if code, done := parseFlags(flags, args); done {
		return code
	}
	path := "/healthz"
	if *ready {
		path = "/readyz"
	}
	response, err := (&http.Client{Timeout: 5 * time.Second}).Get(strings.TrimRight(*at, "/") + path)
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	var said struct{ Status, Detail json.RawMessage }
	if err == nil {
		err = json.Unmarshal(answer, &said)
	}
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "tandem: %s does not answer as tandem does: %v\n", *at, err)
		return 1
	case *asJSON:
		fmt.Fprintf(stdout, "%s\n", strings.TrimSpace(string(answer)))
	case response.StatusCode == http.StatusOK:
		fmt.Fprintf(stdout, "%s\n", strings.Trim(string(said.Status), `"`))
	default:
		fmt.Fprintf(stderr, "tandem: %s\n", strings.Trim(string(said.Detail), `"`))
	}
	if response.StatusCode != http.StatusOK {
		return 1
	}
	return 0
}
