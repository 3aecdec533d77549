package media

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"

	"tandem/media/kernel"
)

// PathConfig is what decides which path a call's sound takes.
type PathConfig struct {
	Mode       string     // media.fast_path: auto, kernel or user
	Interfaces string     // media.interfaces: auto, or names with commas between them
	Bind       netip.Addr // the address RTP sockets are bound to
	Flows      int        // streams at most
	Log        *slog.Logger
}

// OpenKernel opens the kernel path; nil with Mode user. The error, a
// *kernel.Refusal, says why it is not to be had: with Mode auto, a reason to go
// on without it. The Table is the caller's.
func OpenKernel(cfg PathConfig) (*kernel.Table, error) {
	if cfg.Mode == "user" {
		return nil, nil
	}
	names, err := cfg.interfaces()
	if err != nil {
		return nil, &kernel.Refusal{Reason: kernel.Interface, Err: err}
	}
	return kernel.Open(kernel.Config{Interfaces: names, Flows: cfg.Flows, Log: cfg.Log})
}

func (cfg PathConfig) interfaces() ([]string, error) {
	if cfg.Interfaces == "" || cfg.Interfaces == "auto" {
		return kernel.Interfaces(cfg.Bind)
	}
	return strings.FieldsFunc(cfg.Interfaces, func(r rune) bool { return r == ',' || r == ' ' }), nil
}

// ChoosePath says which path a plain call would take on this machine, "kernel"
// or "user", and why. It opens the kernel path to see, and closes it again.
func ChoosePath(cfg PathConfig) (path, why string) {
	if cfg.Mode == "user" {
		return "user", "media.fast_path is user"
	}
	cfg.Flows = 1
	table, err := OpenKernel(cfg)
	if err != nil {
		return "user", err.Error()
	}
	names, _ := cfg.interfaces() // OpenKernel has had them
	why = fmt.Sprintf("eBPF attaches to %s", strings.Join(names, ", "))
	if err := table.Close(); err != nil {
		return "user", fmt.Sprintf("%s, but not back off: %v", why, err)
	}
	return "kernel", why
}
