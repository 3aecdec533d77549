package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tandem/bridge"
	"tandem/cmd/app"
	"tandem/cmd/scan"
	"tandem/config"
	"tandem/store"
	"tandem/test/carrier"
)

var demoCommand = command{"place a call by itself, on a simulated trunk on this machine", demo}

const (
	demoRep      = "+12025550110" // answers, presses 1
	demoProspect = "+12025550100" // answers, talks, hangs up after 20 s
)

// demoOptions say how a demo is.
type demoOptions struct {
	speed float64  // of its phones
	you   *visitor // who answers the rep's; nil = the phone by itself
	live  bool     // as if the trunk were a carrier's
	tell  teller
}

// demonstration is a whole tandem with a carrier beside it.
type demonstration struct {
	demoOptions
	app     *app.App
	carrier *carrier.Carrier
	spare   *carrier.Carrier // the second trunk of its routes
	phone   *http.Server     // the visitor's, nil = the rep's phone answers by itself
	wire    *scan.Recorder   // what passes the trunk
	key     string
	dir     string
}

func demo(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	once := flags.Bool("once", false, "exit after the call: 0 only if sound went both ways")
	scenario := flags.String("scenario", "", "\"all\": every magic number, in parallel")
	speed := flags.String("speed", "1x", "how fast phones are, e.g. 10x; timers follow")
	yours := flags.Bool("you-are-the-rep", false, "you answer the rep's phone, and press 1, on a page")
	to := flags.String("out", "demo", "directory for what each side heard")
	asJSON := flags.Bool("json", false, "as JSON, one object a line")
	if code, done := parseFlags(flags, args); done {
		return code
	}
	var factor float64
	if _, err := fmt.Sscanf(*speed, "%gx", &factor); err != nil || factor < 1 || factor > 100 {
		fmt.Fprintf(stderr, "tandem demo: --speed is 1x to 100x, not %q\n", *speed)
		return 2
	}
	if *scenario != "" && *scenario != "all" {
		fmt.Fprintf(stderr, "tandem demo: --scenario has only \"all\", not %q\n", *scenario)
		return 2
	}
	var you *visitor
	if *yours {
		you = newVisitor()
	}
	d, err := startDemo(demoOptions{speed: factor, you: you, tell: teller{stdout, *asJSON}})
	if err != nil {
		fmt.Fprintf(stderr, "tandem demo: %v\n", err)
		return 1
	}
	code := 0
	switch {
	case *scenario == "all":
		code = d.scenarios()
	case *yours:
		d.untilSignal()
	default:
		if err := d.oneCall(*to); err != nil {
			fmt.Fprintf(stderr, "tandem demo: %v\n", err)
			code = 1
		}
		if !*once {
			d.untilSignal()
		}
	}
	if err := d.stop(); err != nil {
		fmt.Fprintf(stderr, "tandem demo: %v\n", err)
		code = 1
	}
	return code
}

// startDemo starts both ends. Nothing is installed or left: the store is in a
// folder of its own, and taken ports are gone round.
func startDemo(options demoOptions) (_ *demonstration, err error) {
	d := &demonstration{demoOptions: options, wire: new(scan.Recorder)}
	if d.dir, err = os.MkdirTemp("", "tandem-demo-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.stop())
		}
	}()
	phones, around := carrier.Magic, ""
	var visit net.Listener // where the visitor's phone is
	if d.you != nil {
		if visit, err = net.Listen("tcp", freePort("127.0.0.1:8090")); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				_ = visit.Close()
			}
		}()
		around = `"http://` + visit.Addr().String() + `"`
		phones = func(number string) carrier.Script {
			if number == strings.TrimPrefix(demoRep, "+") {
				return d.you.script
			}
			return carrier.Magic(number)
		}
	}
	if d.carrier, err = d.openCarrier("127.0.0.1:5070", phones); err != nil {
		return nil, err
	}
	if d.spare, err = d.openCarrier("127.0.0.1:5071", carrier.Spare); err != nil {
		return nil, err
	}
	cfg, problems := config.Read("the demo's configuration", fmt.Appendf(nil, `version: 1
sip: {listen: ["udp://127.0.0.1:0"]}
media: {rtp_ports: 30000-30999}
numbers: {default_region: US, allow: ["+1202555"]}
call_flow: {one_call_per_rep: false}
trunks:
  simulated:
    host: 127.0.0.1
    port: %d
    auth: {mode: digest, username: demo, password: "${env:DEMO_PASSWORD}"}
    caller_ids: ["+12025550199"]
  spare:
    host: 127.0.0.1
    port: %d
    auth: {mode: digest, username: demo, password: "${env:DEMO_PASSWORD}"}
    caller_ids: ["+12025550199"]
routing:
  - {leg: rep, trunks: [simulated, spare]}
  - {leg: prospect, trunks: [simulated, spare]}
http: {listen: "%s", frame_ancestors: [%s]}
metrics: {listen: "%s"}
store: {url: "sqlite://%s"}
webhooks: {allow_private_networks: true}
`, d.carrier.Addr().Port(), d.spare.Addr().Port(), freePort("127.0.0.1:8080"), around, freePort("127.0.0.1:9464"), filepath.Join(d.dir, "tandem.db")), []string{"DEMO_PASSWORD=demo"})
	if problems.Errors() > 0 {
		return nil, problems
	}
	hurry(cfg, d.speed)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	wire := app.RealWire(cfg.Media.DSCP)
	wire.Simulated = !d.live
	d.app, err = app.Start(context.Background(), cfg, wire, log)
	if errors.Is(err, syscall.EADDRINUSE) { // somebody was faster
		cfg.HTTP.Listen, cfg.Metrics.Listen = anyPort, anyPort
		d.app, err = app.Start(context.Background(), cfg, wire, log)
	}
	if err != nil {
		return nil, err
	}
	return d, d.introduce(visit)
}

// introduce makes Ana and a key for the CRM, and says where everything is.
func (d *demonstration) introduce(visit net.Listener) error {
	ctx, at := context.Background(), d.app.HTTP.String()
	ana, err := d.app.Store.CreateRep(ctx, store.Rep{Test: !d.live, ExternalID: "ana", Name: "Ana", Region: "US", Number: demoRep, Display: "(202) 555-0110", Enabled: true, Trusted: true})
	if err != nil {
		return err
	}
	link, _, err := d.app.Store.RepLink(ctx, ana.ID)
	if err != nil {
		return err
	}
	if _, d.key, err = d.app.Store.CreateKey(ctx, store.Key{Test: !d.live, Name: "demo", Scopes: []string{"admin"}}); err != nil {
		return err
	}
	dialer := "http://" + at + "/signin?token=" + link
	d.tell.say(fmt.Sprintf(`Simulated trunk on %s, rep's phone and prospect behind it. No phone line, nothing leaves this machine.
Dialer    %s   (signed in as Ana, toggle on)
API key   %s   Metrics http://%s/metrics
Try:      curl -s %s/v1/calls -u %s: -d '{"rep_external_id":"ana","to":"%s"}'
`, d.carrier.Addr(), dialer, d.key, d.app.Metrics, at, d.key, demoProspect),
		map[string]any{"type": "demo.ready", "trunk": d.carrier.Addr(), "url": "http://" + at, "dialer": dialer, "api_key": d.key, "metrics": "http://" + d.app.Metrics.String() + "/metrics"})
	if d.you == nil {
		return nil
	}
	d.you.dialer = "http://" + at + "/"
	d.you.token = func() (string, error) {
		token, _, err := d.app.Store.RepLink(ctx, ana.ID)
		return token, err
	}
	if d.phone, err = d.you.serve(visit); err != nil {
		return err
	}
	phone := "http://" + visit.Addr().String() + "/"
	d.tell.say(fmt.Sprintf("Phone     %s   (open this: your phone beside the dialer; %s is somebody who answers)", phone, demoProspect),
		map[string]any{"type": "demo.phone", "url": phone})
	return nil
}

// openCarrier opens a simulated trunk at addr, or where there is room.
func (d *demonstration) openCarrier(addr string, script func(string) carrier.Script) (*carrier.Carrier, error) {
	conn, err := listenUDP(addr, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return carrier.Open(d.wire.Conn(conn), carrier.Options{User: "demo", Password: "demo", Speed: d.speed, Script: script,
		ListenRTP: func(at netip.Addr) (net.PacketConn, error) {
			conn, err := net.ListenPacket("udp", netip.AddrPortFrom(at, 0).String())
			if err != nil {
				return nil, err
			}
			return d.wire.Conn(conn), nil
		}})
}

// hurry makes the timers that nobody waits for in a hurry shorter. A voicemail's
// greeting takes as long as it takes.
func hurry(cfg *config.Config, speed float64) {
	for timer, least := range map[*time.Duration]time.Duration{
		&cfg.CallFlow.RepRingTimeout: 2 * time.Second, &cfg.CallFlow.ProspectRingTimeout: 2 * time.Second, &cfg.CallFlow.Confirm.Timeout: 8 * time.Second,
	} {
		*timer = max(time.Duration(float64(*timer)/speed), least)
	}
}

// listenUDP tries addresses in turn.
func listenUDP(addrs ...string) (conn net.PacketConn, err error) {
	for _, addr := range addrs {
		if conn, err = net.ListenPacket("udp", addr); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// anyPort is one that the kernel picks.
const anyPort = "127.0.0.1:0"

// freePort is addr, or a port the kernel picks where that is taken.
func freePort(addr string) string {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return anyPort
	}
	_ = l.Close() // it was only asked
	return addr
}

func (d *demonstration) stop() (err error) {
	if d.phone != nil {
		err = d.phone.Close()
	}
	if d.app != nil {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		err = errors.Join(err, d.app.Stop(now))
	}
	for _, c := range []*carrier.Carrier{d.carrier, d.spare} {
		if c != nil {
			err = errors.Join(err, c.Close())
		}
	}
	return errors.Join(err, os.RemoveAll(d.dir))
}

func (d *demonstration) untilSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	d.tell.say("\nServing. Ctrl-C ends it.", map[string]any{"type": "demo.serving"})
	<-signals
}

// place asks for a call as a CRM does; rep is a number, or ext:ID.
func (d *demonstration) place(rep, prospect string) (id string, err error) {
	c := client{url: "http://" + d.app.HTTP.String(), key: d.key}
	answer, err := c.run([]string{prospect}, nil, rep, "", false)
	if err != nil {
		return "", err
	}
	return idOf(answer)
}

// follow tells of a call's events until its end.
func (d *demonstration) follow(id string, tell func(store.Envelope)) (bridge.Record, error) {
	var after int64
	for {
		changed := d.app.Store.Changed()
		events, err := d.app.Store.EventsAfter(context.Background(), after, store.EventFilter{Test: !d.live, Call: id}, 100)
		if err != nil {
			return bridge.Record{}, err
		}
		for _, e := range events {
			after = e.Seq
			tell(e)
			if e.Event.Type == bridge.CallEnded {
				return e.Record, nil
			}
		}
		select {
		case <-changed:
		case <-time.After(2 * time.Minute):
			return bridge.Record{}, fmt.Errorf("call %s does not end", id)
		}
	}
}

// oneCall places the call, tells what happens, and judges what each side heard.
func (d *demonstration) oneCall(dir string) error {
	id, err := d.place("ext:ana", demoProspect)
	if err != nil {
		return err
	}
	var before time.Time
	record, err := d.follow(id, func(e store.Envelope) {
		d.tell.event(&e, before)
		before = e.Event.At
	})
	if err != nil {
		return err
	}
	if record.Ending.Outcome != bridge.Completed {
		return fmt.Errorf("the call ended %s (%s)", record.Ending.Outcome, record.Ending.Reason)
	}
	d.wire.Stop() // one call is enough to look at
	return d.judge(dir, record.Talk(record.EndedAt))
}

// judge compares what each far end recorded with what the other said.
func (d *demonstration) judge(dir string, talk time.Duration) error {
	calls := d.carrier.Calls()
	if len(calls) < 2 {
		return fmt.Errorf("the trunk saw %d calls", len(calls))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	h := hearing{Packets: filepath.Join(dir, "call.pcap")}
	var errs []error
	for i, side := range []*ear{&h.Rep, &h.Prospect} {
		name := []string{"rep", "prospect"}[i]
		heard := calls[i].Heard()
		if heard == nil {
			return fmt.Errorf("the %s had no sound", name)
		}
		side.File = filepath.Join(dir, name+".wav")
		if err := write(side.File, heard.WriteWAV); err != nil {
			return err
		}
		got := heard.Tone([]float64{carrier.ProspectTone, carrier.RepTone}[i])
		side.Seconds, side.LongestGap = got.Seconds(), heard.MaxGap.Milliseconds()
		if got < talk-talk/10-500*time.Millisecond || got < 500*time.Millisecond {
			errs = append(errs, fmt.Errorf("the %s heard the other for %v of %v", name, got, talk))
		}
	}
	if err := write(h.Packets, d.wire.Write); err != nil {
		return err
	}
	d.tell.heard(&h)
	if n := calls[1].Heard().Events; n > 0 {
		errs = append(errs, fmt.Errorf("the prospect got %d packets of the rep's key", n))
	}
	return errors.Join(errs...)
}

// write makes a file of what is written.
func write(name string, content func(io.Writer) error) error {
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(content(out), out.Close())
}
