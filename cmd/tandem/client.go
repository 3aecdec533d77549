package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// client speaks to a running tandem.
type client struct {
	url, key string
	accept   string // "" = JSON
}

// clientFlags are those of every word that asks a running tandem.
func clientFlags(flags *flag.FlagSet) *client {
	c := new(client)
	flags.StringVar(&c.url, "url", serverURL(), "where tandem serves; else $TANDEM_URL")
	flags.StringVar(&c.key, "key", os.Getenv("TANDEM_API_KEY"), "API key; else $TANDEM_API_KEY")
	return c
}

func serverURL() string { return cmp.Or(os.Getenv("TANDEM_URL"), "http://127.0.0.1:8080") }

// mixed parses flags and words in any order.
func mixed(flags *flag.FlagSet, args []string) (words []string, code int, done bool) {
	for rest := args; ; {
		if code, done := parseFlags(flags, rest); done {
			return nil, code, true
		}
		if rest = flags.Args(); len(rest) == 0 {
			return words, 0, false
		}
		words, rest = append(words, rest[0]), rest[1:]
	}
}

// apiError is a problem that tandem answered with.
type apiError struct{ Code, Detail string }

func (e *apiError) Error() string { return e.Code + ": " + e.Detail }

// send sends a request and returns an answer that is no problem; its body must
// be closed.
func (c *client) send(method, path string, body any, patience time.Duration) (*http.Response, error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(text)
	}
	request, err := c.request(method, path, sent)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if c.accept != "" {
		request.Header.Set("Accept", c.accept)
	}
	response, err := (&http.Client{Timeout: patience}).Do(request)
	if err != nil || response.StatusCode < 300 {
		return response, err
	}
	defer response.Body.Close()
	return nil, problemOf(response)
}

// request makes one with our key.
func (c *client) request(method, path string, body io.Reader) (*http.Request, error) {
	request, err := http.NewRequest(method, strings.TrimRight(c.url, "/")+path, body)
	if err == nil {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	return request, err
}

// problemOf reads the problem that an answer is.
func problemOf(response *http.Response) error {
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var problem apiError
	if json.Unmarshal(answer, &problem) != nil || problem.Code == "" {
		return fmt.Errorf("%s: %s", response.Status, answer)
	}
	return &problem
}

// do sends a request and reads its answer whole.
func (c *client) do(method, path string, body any) ([]byte, error) {
	response, err := c.send(method, path, body, 90*time.Second)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return bytes.TrimSpace(answer), err
}

// all reads every page of a list into one.
func (c *client) all(path string) ([]byte, error) {
	whole := struct {
		Data []json.RawMessage `json:"data"`
	}{[]json.RawMessage{}}
	join := "?"
	if strings.Contains(path, "?") {
		join = "&"
	}
	for cursor := ""; ; {
		answer, err := c.do("GET", path+join+"limit=200&cursor="+url.QueryEscape(cursor), nil)
		if err != nil {
			return nil, err
		}
		var page struct {
			Data []json.RawMessage `json:"data"`
			Next *string           `json:"next_cursor"`
		}
		if err := json.Unmarshal(answer, &page); err != nil {
			return nil, err
		}
		whole.Data = append(whole.Data, page.Data...)
		if page.Next == nil {
			return json.Marshal(whole)
		}
		cursor = *page.Next
	}
}

// untilEnded waits for the end of the call that an answer shows.
func (c *client) untilEnded(answer []byte, err error) ([]byte, error) {
	for err == nil {
		var s seen
		if err = json.Unmarshal(answer, &s); err != nil || s.Status == "ended" {
			break
		}
		answer, err = c.do("GET", "/v1/calls/"+s.ID+"?wait=ended&timeout_s=60", nil)
	}
	return answer, err
}
