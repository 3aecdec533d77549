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

// demonstration is a whole tandem with a carrier beside it.
type demonstration struct {
	app     *app.App
	carrier *carrier.Carrier
	spare   *carrier.Carrier // the second trunk of its routes
	phone   *http.Server     // the visitor's, nil = the rep's phone answers by itself
	wire    *scan.Recorder   // what passes the trunk
	key     string
	dir     string
	out     io.Writer
}

func demo(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	once := flags.Bool("once", false, "exit after the call: 0 only if sound went both ways")
	scenario := flags.String("scenario", "", "\"all\": every magic number, in parallel")
	speed := flags.String("speed", "1x", "how fast phones are, e.g. 10x; timers follow")
	yours := flags.Bool("you-are-the-rep", false, "you answer the rep's phone, and press 1, on a page")
	to := flags.String("out", "demo", "directory for what each side heard")
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
	d, err := startDemo(factor, you, stdout)
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
func startDemo(speed float64, you *visitor, out io.Writer) (_ *demonstration, err error) {
	d := &demonstration{out: out, wire: new(scan.Recorder)}
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
	if you != nil {
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
				return you.script
			}
			return carrier.Magic(number)
		}
	}
	if d.carrier, err = d.openCarrier("127.0.0.1:5070", speed, phones); err != nil {
		return nil, err
	}
	if d.spare, err = d.openCarrier("127.0.0.1:5071", speed, carrier.Spare); err != nil {
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
	hurry(cfg, speed)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if d.app, err = app.Start(context.Background(), cfg, app.RealWire(cfg.Media.DSCP), log); err != nil {
		return nil, err
	}
	ctx := context.Background()
	ana, err := d.app.Store.CreateRep(ctx, store.Rep{ExternalID: "ana", Name: "Ana", Region: "US", Number: demoRep, Display: "(202) 555-0110", Enabled: true, Trusted: true})
	if err != nil {
		return nil, err
	}
	link, _, err := d.app.Store.RepLink(ctx, ana.ID)
	if err != nil {
		return nil, err
	}
	_, d.key, err = d.app.Store.CreateKey(ctx, store.Key{Name: "demo", Scopes: []string{"admin"}})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, `Simulated trunk on %s, rep's phone and prospect behind it. No phone line, nothing leaves this machine.
Dialer    http://%s/signin?token=%s   (as Ana, pass-through on)
API key   %s   Metrics http://%s/metrics
Try:      curl -s %[2]s/v1/calls -u %[4]s: -d '{"rep_external_id":"ana","to":"%[6]s"}'

`, d.carrier.Addr(), d.app.HTTP, link, d.key, d.app.Metrics, demoProspect)
	if you != nil {
		you.dialer = "http://" + d.app.HTTP.String() + "/"
		you.token = func() (string, error) {
			token, _, err := d.app.Store.RepLink(ctx, ana.ID)
			return token, err
		}
		if d.phone, err = you.serve(visit); err != nil {
			return nil, err
		}
		fmt.Fprintf(out, "Phone     http://%s/   (open this: your phone beside the dialer; %s is somebody who answers)\n", visit.Addr(), demoProspect)
	}
	return d, nil
}

// openCarrier opens a simulated trunk at addr, or where there is room.
func (d *demonstration) openCarrier(addr string, speed float64, script func(string) carrier.Script) (*carrier.Carrier, error) {
	conn, err := listenUDP(addr, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return carrier.Open(d.wire.Conn(conn), carrier.Options{User: "demo", Password: "demo", Speed: speed, Script: script,
		ListenRTP: func(at netip.Addr) (net.PacketConn, error) {
			conn, err := net.ListenPacket("udp", netip.AddrPortFrom(at, 0).String())
			if err != nil {
				return nil, err
			}
			return d.wire.Conn(conn), nil
		}})
}

// hurry makes the timers that nobody waits for in a hurry shorter.
func hurry(cfg *config.Config, speed float64) {
	for _, timer := range []*time.Duration{&cfg.CallFlow.RepRingTimeout, &cfg.CallFlow.ProspectRingTimeout, &cfg.CallFlow.Confirm.Timeout} {
		*timer = max(time.Duration(float64(*timer)/speed), 2*time.Second)
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

// freePort is addr, or a port the kernel picks where that is taken.
func freePort(addr string) string {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "127.0.0.1:0"
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
	fmt.Fprintln(d.out, "\nServing. Ctrl-C ends it.")
	<-signals
}

// place asks for a call as a CRM does.
func (d *demonstration) place(rep, prospect string) (id string, err error) {
	c := client{url: "http://" + d.app.HTTP.String(), key: d.key}
	answer, err := c.do("POST", "/v1/calls", map[string]string{"rep_number": rep, "to": prospect})
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
		events, err := d.app.Store.EventsAfter(context.Background(), after, store.EventFilter{Call: id}, 100)
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
	id, err := d.place(demoRep, demoProspect)
	if err != nil {
		return err
	}
	var before time.Time
	record, err := d.follow(id, func(e store.Envelope) {
		fmt.Fprintf(d.out, "%s  %-22s %s\n", e.Event.At.Format("15:04:05.000"), e.Event.Type, remark(&e, before))
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

// remark is what a line of the timeline says beside the event's name.
func remark(e *store.Envelope, before time.Time) string {
	switch e.Event.Type {
	case bridge.CallRepRinging:
		return "the rep's phone rings"
	case bridge.CallRepAnswered:
		return `"To connect your call, press 1."`
	case bridge.CallRepConfirmed:
		return fmt.Sprintf("%s, after %.1f s", e.Event.Flag, e.Event.At.Sub(e.Record.Rep.AnsweredAt).Seconds())
	case bridge.CallProspectDialing:
		return fmt.Sprintf("%.1f ms later", float64(e.Event.At.Sub(before).Microseconds())/1000)
	case bridge.CallConnected:
		return "sound goes both ways"
	case bridge.CallUpdated:
		if e.Event.Hangup != nil {
			over := fmt.Sprintf("the %s's leg is over: %s", e.Event.Side, e.Event.Hangup.Cause)
			if q := e.Event.Quality; q != nil && q.Received > 0 {
				over += fmt.Sprintf(", MOS %.2f, jitter %.1f ms, loss %.1f %%", q.MOS, q.JitterMS, 100*q.LossRatio)
			}
			return over
		}
		return string(e.Event.Flag)
	case bridge.CallEnded:
		return fmt.Sprintf("%s by the %s, %.1f s of talk", e.Event.Ending.Outcome, e.Event.Ending.By, e.Record.Talk(e.Event.At).Seconds())
	}
	return ""
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
	var errs []error
	for i, name := range []string{"rep", "prospect"} {
		heard := calls[i].Heard()
		if heard == nil {
			return fmt.Errorf("the %s had no sound", name)
		}
		file := filepath.Join(dir, name+".wav")
		out, err := os.Create(file)
		if err != nil {
			return err
		}
		if err := errors.Join(heard.WriteWAV(out), out.Close()); err != nil {
			return err
		}
		tone := []float64{carrier.ProspectTone, carrier.RepTone}[i]
		got := heard.Tone(tone)
		fmt.Fprintf(d.out, "The %-8s heard %5.2f s of the other's sound, longest gap %d ms: %s\n", name, got.Seconds(), heard.MaxGap.Milliseconds(), file)
		if got < talk-talk/10-500*time.Millisecond || got < 500*time.Millisecond {
			errs = append(errs, fmt.Errorf("the %s heard the other for %v of %v", name, got, talk))
		}
	}
	packets, err := os.Create(filepath.Join(dir, "call.pcap"))
	if err != nil {
		return err
	}
	if err := errors.Join(d.wire.Write(packets), packets.Close()); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "Packets: %s (Wireshark opens it; tandem dtmf scan finds the 1 in it)\n", packets.Name())
	if n := calls[1].Heard().Events; n > 0 {
		errs = append(errs, fmt.Errorf("the prospect got %d packets of the rep's key", n))
	}
	return errors.Join(errs...)
}
