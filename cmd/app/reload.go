package app

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tandem/api"
	"tandem/config"
)

// reloader keeps what is known of the reloads.
type reloader struct {
	mu         sync.Mutex // one at a time; guards App.cfg after Start
	successful prometheus.Gauge
	at         prometheus.Gauge
}

func newReloader(reg prometheus.Registerer) *reloader {
	r := &reloader{
		successful: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tandem_config_last_reload_successful", Help: "1 if the last attempt to read the configuration was taken, 0 if the old one stays."}),
		at:         prometheus.NewGauge(prometheus.GaugeOpts{Name: "tandem_config_last_reload_success_timestamp_seconds", Help: "When a configuration was last taken, since 1970."}),
	}
	reg.MustRegister(r.successful, r.at)
	r.done(nil)
	return r
}

func (r *reloader) done(err error) {
	if err != nil {
		r.successful.Set(0)
		return
	}
	r.successful.Set(1)
	r.at.Set(float64(time.Now().UnixMilli()) / 1000)
}

// Reload reads the configuration again. Trunks, routing, numbers, rates, the
// flow of calls and the log level change for calls that begin from now on; a trunk that
// has gone drains. What can only change with a restart is named, and stays as it
// is. Where the new configuration is wrong all of the old one stays.
func (a *App) Reload(context.Context) (done api.Reloaded, err error) {
	a.reloads.mu.Lock()
	defer a.reloads.mu.Unlock()
	defer func() {
		a.reloads.done(err)
		if err != nil {
			a.log.Error("configuration not taken, the old one stays", "err", err)
		} else {
			a.log.Info("configuration taken", "changed", done.Changed, "waits_for_restart", done.Restart)
		}
	}()
	if a.wire.Config == nil {
		return done, errors.New("this tandem has no configuration file to read again")
	}
	read, problems := a.wire.Config()
	if problems.Errors() > 0 {
		return done, configError(problems)
	}
	next := *a.cfg
	next.Trunks, next.Routing, next.Numbers, next.CallFlow = read.Trunks, read.Routing, read.Numbers, read.CallFlow
	next.Rates, next.Policy, next.Log.Level = read.Rates, read.Policy, read.Log.Level
	done = api.Reloaded{Changed: changes(a.cfg, &next), Restart: changes(&next, read)}
	return done, a.adopt(&next)
}

// adopt makes next the configuration. What can fail comes first.
func (a *App) adopt(next *config.Config) error {
	sounds, err := loadSounds(next)
	if err != nil {
		return err
	}
	rates, err := loadRates(&next.Rates)
	if err != nil {
		return err
	}
	trunks, err := trunksOf(next)
	if err != nil {
		return err
	}
	if err := a.endpoint.Reconfigure(trunks); err != nil {
		return err
	}
	a.bridge.Load().Retune(limits(next), sounds)
	a.test.retune(limits(next), sounds)
	a.routes.Store(newRoutes(next, a.endpoint, rates, a.Store))
	if a.wire.Level != nil {
		_ = a.wire.Level.UnmarshalText([]byte(next.Log.Level)) // checked by config
	}
	a.cfg = next
	return nil
}

// configError is what is wrong with a configuration, for the API.
func configError(problems config.Problems) *api.ConfigError {
	wrong := new(api.ConfigError)
	for _, p := range problems {
		if !p.Warning() {
			wrong.Problems = append(wrong.Problems, api.ConfigProblem{
				Path: p.Path, Code: p.Code, Detail: strings.TrimSpace(fmt.Sprintf("%s (%s) %s", p.Message, p.Origin, p.Help)),
			})
		}
	}
	return wrong
}

// changes are the keys in which two configurations differ: as far down as both
// have them, lists as a whole.
func changes(a, b *config.Config) []string {
	all := differing("", reflect.ValueOf(*a), reflect.ValueOf(*b))
	slices.Sort(all)
	return append([]string{}, all...) // never null in JSON
}

func differing(path string, a, b reflect.Value) (all []string) {
	under := func(name string) string { return strings.TrimPrefix(path+"."+name, ".") }
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			if key := a.Type().Field(i).Tag.Get("key"); key != "-" {
				all = append(all, differing(under(key), a.Field(i), b.Field(i))...)
			}
		}
	case reflect.Map:
		for _, m := range []reflect.Value{a, b} {
			for _, name := range m.MapKeys() {
				switch x, y := a.MapIndex(name), b.MapIndex(name); {
				case !x.IsValid() || !y.IsValid():
					all = append(all, under(name.String()))
				case m == a:
					all = append(all, differing(under(name.String()), x, y)...)
				}
			}
		}
	default:
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			all = append(all, path)
		}
	}
	return all
}
