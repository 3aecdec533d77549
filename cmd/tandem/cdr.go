package main

import (
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"
)

var cdrCommand = command{"export | totals: call records and what they cost", cdr}

// cdr writes the records of a time to standard output, or to a file.
func cdr(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("cdr", flag.ContinueOnError)
	flags.SetOutput(stderr)
	c := clientFlags(flags)
	from := flags.String("from", "", "first day or time, such as 2026-11-01; empty = 30 days ago")
	to := flags.String("to", "", "day or time before which calls began; empty = now")
	out := flags.String("out", "", "export: write to this `FILE`")
	month := flags.String("month", time.Now().UTC().Format("2006-01"), "totals: which month")
	asJSON := flags.Bool("json", false, "as JSON; export is CSV without it")
	words, code, done := mixed(flags, args)
	if done {
		return code
	}
	if len(words) != 1 || words[0] != "export" && words[0] != "totals" {
		fmt.Fprintln(stderr, "usage: tandem cdr export [--from 2026-11-01] [--to …] [--out FILE] [--json] | totals [--month 2026-11]")
		return 2
	}
	if words[0] == "totals" {
		answer, err := c.do("GET", "/v1/totals?month="+url.QueryEscape(*month), nil)
		if err != nil {
			fmt.Fprintf(stderr, "tandem: %v\n", err)
			return 1
		}
		fmt.Fprintf(stdout, "%s\n", answer)
		return 0
	}
	query := url.Values{}
	for name, moment := range map[string]struct {
		text      string
		otherwise time.Time
	}{"from": {*from, time.Now().AddDate(0, 0, -30)}, "to": {*to, time.Now()}} {
		at, err := dayOrTime(moment.text, moment.otherwise)
		if err != nil {
			fmt.Fprintf(stderr, "tandem cdr: --%s: %v\n", name, err)
			return 2
		}
		query.Set(name, at.UTC().Format(time.RFC3339))
	}
	if err := exportCDRs(c, query, *asJSON, *out, stdout); err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	return 0
}

func dayOrTime(text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return at, nil
	}
	return time.Parse(time.RFC3339, text)
}

func exportCDRs(c *client, query url.Values, asJSON bool, file string, stdout io.Writer) (err error) {
	if file != "" {
		out, err := os.Create(file)
		if err != nil {
			return err
		}
		defer func() {
			if closed := out.Close(); err == nil {
				err = closed
			}
		}()
		stdout = out
	}
	if asJSON {
		answer, err := c.all("/v1/cdrs?" + query.Encode())
		if err == nil {
			_, err = fmt.Fprintf(stdout, "%s\n", answer)
		}
		return err
	}
	query.Set("format", "csv")
	response, err := c.send("GET", "/v1/cdrs?"+query.Encode(), nil, 0)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(stdout, response.Body)
	return err
}
