package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"tandem/cmd/app"
	"tandem/config"
	"tandem/docs/runbooks"
	"tandem/store"
)

var doctorCommand = command{"look at the configuration, this machine and every trunk, and say what to change; doctor RUNBOOK prints what to do about an alert", doctor}

func doctor(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := configFlag(flags)
	asJSON := flags.Bool("json", false, "as JSON")
	offline := flags.Bool("offline", false, "leave the trunks alone")
	words, code, done := mixed(flags, args)
	if done {
		return code
	}
	if len(words) > 0 {
		return printRunbook(words, stdout, stderr)
	}
	cfg, problems := config.Load(configFile(*file), os.Environ())
	problems.Text(stderr)
	if problems.Errors() > 0 {
		return 1
	}
	reports := []report{examineMachine(cfg)}
	var err error
	if !*offline {
		var trunks []report
		trunks, err = examine(cfg, cfg.TrunkNames(), "", stderr)
		reports = append(reports, trunks...)
	}
	return showReports(reports, err, *asJSON, stdout, stderr)
}

// printRunbook prints what to do about an alert.
func printRunbook(words []string, stdout, stderr io.Writer) int {
	page, found := runbooks.Page(words[0])
	if !found || len(words) > 1 {
		fmt.Fprintf(stderr, "usage: tandem doctor [--config FILE] [--offline] [--json]\n       tandem doctor RUNBOOK: %s\n", strings.Join(runbooks.Names(), " | "))
		return 2
	}
	fmt.Fprint(stdout, page)
	return 0
}

// examineMachine looks at what this machine gives to a tandem of this
// configuration.
func examineMachine(cfg *config.Config) report {
	r := report{Subject: "this machine", Ready: true, Notes: firewall(cfg)}
	for _, look := range []func(*config.Config) finding{fileLimit, udpBuffers, clock, sipPorts, httpPorts, rtpPorts, soundPath, database} {
		f := look(cfg)
		r.Ready = r.Ready && (f.OK || f.warns)
		r.Findings = append(r.Findings, f)
	}
	return r
}

// fileLimit: a call has two RTP sockets and two for RTCP.
func fileLimit(cfg *config.Config) finding {
	low, high, _ := cfg.Media.Ports()
	calls := int(high-low+1) / 4
	files, err := app.Files()
	if err != nil {
		return finding{Step: "files", Code: "unknown", Text: err.Error(), warns: true}
	}
	need, carried := app.FilesFor(calls), min(calls, app.CallsWithin(files))
	f := finding{Step: "files", OK: files >= need, Text: fmt.Sprintf("%d open files are allowed, which carry %d calls; %d are needed for the %d calls of %d-%d", files, carried, need, calls, low, high), warns: carried > 0}
	if !f.OK {
		f.Code, f.Advice = "file_limit", fmt.Sprintf("Raise the limit: LimitNOFILE=%d in the systemd unit, or ulimit -n.", need)
	}
	return f
}

// udpBuffers: the SIP socket asks for 4 MiB, so that a burst is not lost.
func udpBuffers(*config.Config) finding {
	const want = 4 << 20
	text, err := os.ReadFile("/proc/sys/net/core/rmem_max")
	if err != nil {
		return finding{Step: "buffers", OK: true, Text: "the kernel does not say how large a UDP buffer may be"}
	}
	have, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	f := finding{Step: "buffers", OK: have >= want, Text: fmt.Sprintf("a UDP receive buffer may have %d KiB", have/1024), warns: true}
	if !f.OK {
		f.Code, f.Advice = "udp_buffer", fmt.Sprintf("Bursts of SIP may be lost: sysctl -w net.core.rmem_max=%d, and in /etc/sysctl.d.", want)
	}
	return f
}

// clock: certificates, signatures and records depend on it.
func clock(*config.Config) finding {
	synchronised, known := clockSynchronised()
	f := finding{Step: "clock", OK: synchronised, Text: "the clock is synchronised", warns: true}
	switch {
	case !known:
		f.OK, f.Text = true, "the kernel does not say whether the clock is synchronised"
	case !synchronised:
		f.Code, f.Text = "clock_not_synchronised", "the clock is not synchronised"
		f.Advice = "Run a time service (systemd-timesyncd, chrony): records and certificates need the right time."
	}
	return f
}

// soundPath: by the kernel, or by the process?
func soundPath(cfg *config.Config) finding {
	path, why := app.MediaPath(cfg)
	f := finding{Step: "path", OK: path == "kernel" || cfg.Media.FastPath == "user", Text: fmt.Sprintf("sound takes the %s path: %s", path, why),
		warns: cfg.Media.FastPath != "kernel"}
	if !f.OK {
		f.Code, f.Advice = "user_path", "The kernel path needs Linux 6.6, CAP_BPF and CAP_NET_ADMIN; README says how to give them. Calls work without it, at more cost."
		if !f.warns {
			f.Advice = "media.fast_path: kernel refuses to start without it. Grant what is missing (README says how), or set auto."
		}
	}
	return f
}

// sipPorts: can they be listened at?
func sipPorts(cfg *config.Config) finding {
	for _, text := range cfg.SIP.Listen {
		l, err := config.ParseListener(text)
		if err == nil {
			err = listenOnce(l.Network, l.Address.String())
		}
		if err != nil {
			return unheard(cfg, "sip", "sip.listen", text, err)
		}
	}
	return finding{Step: "sip", OK: true, Text: strings.Join(cfg.SIP.Listen, ", ") + " can be listened at"}
}

// httpPorts: likewise.
func httpPorts(cfg *config.Config) finding {
	var all []string
	for _, at := range [][2]string{{"http.listen", cfg.HTTP.Listen}, {"metrics.listen", cfg.Metrics.Listen}} {
		if at[1] == "" {
			continue
		}
		if err := listenOnce("tcp", at[1]); err != nil {
			return unheard(cfg, "http", at[0], at[1], err)
		}
		all = append(all, at[1])
	}
	return finding{Step: "http", OK: true, Text: strings.Join(all, ", ") + " can be listened at"}
}

// unheard says why an address cannot be listened at. A tandem that serves has its own.
func unheard(cfg *config.Config, step, key, address string, err error) finding {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return finding{Step: step, Code: "port_refused", Text: fmt.Sprintf("%s: %v", address, err),
			Advice: "Correct " + key + ": the address must be one of this machine's, and ports below 1024 need CAP_NET_BIND_SERVICE."}
	}
	if path, err := store.ParseURL(cfg.Store.URL); err == nil && store.Serving(path) {
		return finding{Step: step, OK: true, Text: address + " is taken, by the tandem that serves"}
	}
	return finding{Step: step, Code: "port_taken", Text: address + " is taken, and no tandem serves from this store",
		Advice: "Stop what holds it (ss -lnptu shows it), or change " + key + "."}
}

// listenOnce listens, and stops at once.
func listenOnce(network, at string) error {
	if network == "udp" {
		conn, err := net.ListenPacket("udp", at)
		if err == nil {
			err = conn.Close()
		}
		return err
	}
	l, err := net.Listen("tcp", at)
	if err == nil {
		err = l.Close()
	}
	return err
}

// rtpPorts: how many of them are free?
func rtpPorts(cfg *config.Config) finding {
	low, high, err := cfg.Media.Ports()
	if err != nil {
		return finding{Step: "rtp", Code: "rtp_ports", Text: err.Error()}
	}
	free, all := 0, 0
	for port := uint32(low) + uint32(low)%2; port <= uint32(high); port += 2 {
		all++
		if listenOnce("udp", fmt.Sprintf("0.0.0.0:%d", port)) == nil {
			free++
		}
	}
	f := finding{Step: "rtp", OK: free == all, Text: fmt.Sprintf("%d of %d RTP ports are free, for %d calls", free, all, free/2), warns: free > 1}
	if !f.OK {
		f.Code, f.Advice = "rtp_ports_taken", "Give media.rtp_ports a range that nothing else uses, away from net.ipv4.ip_local_port_range."
	}
	return f
}

// database: can it be written? Its folder is made by the first process that serves.
func database(cfg *config.Config) finding {
	path, err := store.ParseURL(cfg.Store.URL)
	if err != nil {
		return finding{Step: "store", Code: "store_url", Text: err.Error()}
	}
	dir := filepath.Dir(path)
	there := dir
	for _, err := os.Stat(there); errors.Is(err, fs.ErrNotExist); _, err = os.Stat(there) {
		there = filepath.Dir(there)
	}
	switch err := writeOnce(there); {
	case errors.Is(err, syscall.ENOSPC):
		return finding{Step: "store", Code: "disk_full", Text: err.Error(), Advice: "Make room: a call that cannot be written down is not placed."}
	case err != nil:
		return finding{Step: "store", Code: "store_not_writable", Text: err.Error(), Advice: "Have the folder of store.url owned by the user tandem runs as."}
	case there != dir:
		return finding{Step: "store", OK: true, Text: dir + " will be made, and can be"}
	}
	return finding{Step: "store", OK: true, Text: dir + " can be written"}
}

// writeOnce writes a megabyte to a folder, and takes it away again.
func writeOnce(dir string) error {
	probe, err := os.CreateTemp(dir, ".tandem-doctor-*")
	if err != nil {
		return err
	}
	_, err = probe.Write(make([]byte, 1<<20))
	return errors.Join(err, probe.Close(), os.Remove(probe.Name()))
}

// firewall is what must be let in, and out.
func firewall(cfg *config.Config) (rules []string) {
	for _, name := range cfg.TrunkNames() {
		t := cfg.Trunks[name]
		from := "anywhere"
		if len(t.MediaFrom) > 0 {
			from = strings.Join(t.MediaFrom, ", ")
		}
		rules = append(rules, fmt.Sprintf("firewall for %s: SIP out to and in from %s (%s), RTP out to and in from %s at UDP %s", name, t.Host, t.Transport, from, cfg.Media.RTPPorts))
	}
	return rules
}
