package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"tandem/cmd/app"
	"tandem/config"
)

var serveCommand = command{"take calls, as tandem.yaml says", serve}

// drainTime is how long live calls may go on after the first signal [T_drain].
const drainTime = 15 * time.Minute

func serve(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := configFlag(flags)
	if code, done := parseFlags(flags, args); done {
		return code
	}
	cfg, code := load(*file, stderr)
	if cfg == nil {
		return code
	}
	level := new(slog.LevelVar)
	log := logger(&cfg.Log, level, stderr)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	wire := app.RealWire(cfg.Media.DSCP)
	wire.Level = level
	wire.Config = func() (*config.Config, config.Problems) { return config.Load(configFile(*file), os.Environ()) }
	a, err := app.Start(context.Background(), cfg, wire, log)
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	version, _ := app.Version()
	log.Info("serving", "version", version, "http", a.HTTP.String(), "trunks", cfg.TrunkNames())
	fmt.Fprintf(stdout, "tandem %s: the API is at http://%s; make a key with: tandem keys create\n", version, a.HTTP)
	reloadOn(syscall.SIGHUP, a)
	tell(log, daemon.SdNotifyReady)
	defer keepAlive(log)()
	<-signals
	tell(log, daemon.SdNotifyStopping)
	log.Info("draining: no new calls; a second signal ends those that are up")
	patience, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	go func() {
		<-signals
		cancel()
	}()
	if err := a.Stop(patience); err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	return 0
}

// reloadOn has the configuration read again at a signal. What comes of it is in
// the log and in the metrics.
func reloadOn(s os.Signal, a *app.App) {
	again := make(chan os.Signal, 1)
	signal.Notify(again, s)
	go func() {
		for range again {
			_, _ = a.Reload(context.Background())
		}
	}()
}

// configFlag is the flag of every command that reads the configuration.
func configFlag(flags *flag.FlagSet) *string {
	return flags.String("config", "", "configuration `FILE`; else $TANDEM_CONFIG, ./tandem.yaml, /etc/tandem/tandem.yaml")
}

// wordless are the commands that take flags only.
var wordless = map[string]bool{"serve": true, "check-config": true, "config print": true}

// parseFlags parses, and says whether that was all there is to do.
func parseFlags(flags *flag.FlagSet, args []string) (code int, done bool) {
	switch err := flags.Parse(args); {
	case err == flag.ErrHelp:
		return 0, true
	case err != nil:
		return 2, true
	case flags.NArg() > 0 && wordless[flags.Name()]:
		fmt.Fprintf(flags.Output(), "tandem %s: %q is not understood; a file is named with --config\n", flags.Name(), flags.Arg(0))
		return 2, true
	}
	return 0, false
}

// configFile is where the configuration is.
func configFile(named string) string {
	if named != "" {
		return named
	}
	if named = os.Getenv("TANDEM_CONFIG"); named != "" {
		return named
	}
	if _, err := os.Stat("tandem.yaml"); err == nil {
		return "tandem.yaml"
	}
	return "/etc/tandem/tandem.yaml"
}

// load reads the configuration; what is wrong with it goes to stderr.
func load(named string, stderr io.Writer) (*config.Config, int) {
	cfg, problems := config.Load(configFile(named), os.Environ())
	problems.Text(stderr)
	if problems.Errors() > 0 {
		return nil, 1
	}
	return cfg, 0
}

func logger(cfg *config.Log, level *slog.LevelVar, w io.Writer) *slog.Logger {
	_ = level.UnmarshalText([]byte(cfg.Level)) // checked by config
	options := &slog.HandlerOptions{Level: level}
	if cfg.Format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
