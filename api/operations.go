package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// Operations is what those who run a tandem ask of it.
type Operations interface {
	// Trunks are the trunks with their live state.
	Trunks() []Trunk
	// Trace is what was said over SIP in a call; false = it is not kept (any more).
	Trace(call string) (Trace, bool)
	// Reload reads the configuration again. The old one stays where the error is
	// not nil, and is then a *ConfigError where the configuration is wrong.
	Reload(ctx context.Context) (Reloaded, error)
	// Pause takes no new calls, or takes them again.
	Pause(on bool)
}

// Trunk is the live state of a trunk. It holds no secret.
type Trunk struct {
	Object     string     `json:"object"` // "trunk"
	Name       string     `json:"name"`
	Up         bool       `json:"up"`
	Since      *time.Time `json:"since"`      // of up; null = nothing was heard or sent yet
	Registered *bool      `json:"registered"` // null = it does not register
	OptionsMS  *float64   `json:"options_ms"` // round trip of the last OPTIONS; null = none was answered
	Channels   Channels   `json:"channels"`
	CPS        float64    `json:"cps"` // 0 = no limit
	Draining   bool       `json:"draining"`
	LastFailed string     `json:"last_failed,omitempty"`
}

// Channels are the calls a trunk carries at once.
type Channels struct {
	Limit    int  `json:"limit"` // 0 = none
	InUse    int  `json:"in_use"`
	Reserved int  `json:"reserved"` // promised to calls, in_use included
	Free     *int `json:"free"`     // null = no limit
}

// Trace is what was said in a call.
type Trace struct {
	Messages []TraceMessage `json:"messages"`
	Dropped  int            `json:"dropped"` // not kept, for there were too many
	Ladder   string         `json:"-"`
}

// TraceMessage is one SIP message, its secrets left out.
type TraceMessage struct {
	At        time.Time `json:"at"`
	Leg       string    `json:"leg"`
	Direction string    `json:"direction"` // in or out
	Repeated  bool      `json:"repeated,omitempty"`
	Transport string    `json:"transport"`
	Peer      string    `json:"peer"`
	SIPCallID string    `json:"sip_call_id"`
	Message   string    `json:"message"`
}

// Reloaded is what a reload did.
type Reloaded struct {
	Changed []string `json:"changed"`           // keys that took effect
	Restart []string `json:"waits_for_restart"` // keys that will with the next start
}

// ConfigError is a configuration that was not taken.
type ConfigError struct{ Problems []ConfigProblem }

// ConfigProblem is one thing that is wrong with it.
type ConfigProblem struct{ Path, Code, Detail string }

func (e *ConfigError) Error() string {
	var all []string
	for _, p := range e.Problems {
		all = append(all, p.Path+": "+p.Detail+" ["+p.Code+"]")
	}
	return strings.Join(all, "; ")
}

// listTrunks is GET /v1/trunks.
func (s *Server) listTrunks(http.ResponseWriter, *http.Request, *caller) (*answer, error) {
	return &answer{status: 200, body: struct {
		Data []Trunk `json:"data"`
	}{s.Operations.Trunks()}}, nil
}

// traceCall is GET /v1/calls/{call_id}/trace: JSON, or a drawn ladder by Accept.
func (s *Server) traceCall(w http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	if _, err := s.find(r, who); err != nil {
		return nil, err
	}
	trace, ok := s.Operations.Trace(r.PathValue("call_id"))
	if !ok {
		return nil, refuse("not_found", "What was said in this call is no longer kept: only that of the last calls since the start is.")
	}
	if !strings.Contains(r.Header.Get("Accept"), "text/plain") {
		return &answer{status: 200, body: trace}, nil
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, trace.Ladder) // a client that has gone does not care
	return nil, nil
}

// reloadConfig is POST /v1/admin/reload.
func (s *Server) reloadConfig(_ http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
	done, err := s.Operations.Reload(context.WithoutCancel(r.Context()))
	var wrong *ConfigError
	if errors.As(err, &wrong) {
		p := refuse("validation_failed", "The new configuration is wrong; the old one stays.")
		for _, one := range wrong.Problems {
			p.Errors = append(p.Errors, fault{Pointer: "#/" + strings.ReplaceAll(one.Path, ".", "/"), Code: one.Code, Detail: one.Detail})
		}
		return nil, p
	}
	if err != nil {
		return nil, err
	}
	return &answer{status: 200, body: done}, nil
}

// drain is POST and DELETE /v1/admin/drain.
func (s *Server) drain(_ http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
	on := r.Method == http.MethodPost
	s.log.Info("api: draining", "state", on)
	if s.Operations.Pause(on); on {
		return &answer{status: 202}, nil
	}
	return &answer{status: 204}, nil
}
