package app

import (
	"fmt"

	"tandem/config"
	"tandem/media"
	"tandem/media/kernel"
)

// openKernel opens the kernel path as media.fast_path says. Where it may go
// without, it says why once.
func (a *App) openKernel(metrics *media.PathMetrics, flows int) (*kernel.Table, error) {
	if a.wire.OpenKernel == nil {
		return nil, nil
	}
	table, err := a.wire.OpenKernel(a.paths(flows))
	switch {
	case err == nil && table != nil:
		a.later(table.Close)
	case err != nil && a.cfg.Media.FastPath == "kernel":
		return nil, fmt.Errorf("media.fast_path: %w", err)
	case err != nil:
		reason, _ := kernel.ReasonOf(err)
		metrics.Fell(string(reason))
		a.log.Info("sound takes the user path", "err", err)
	}
	return table, nil
}

func (a *App) paths(flows int) media.PathConfig {
	return media.PathConfig{Mode: a.cfg.Media.FastPath, Interfaces: a.cfg.Media.Interfaces, Bind: a.bind(), Flows: flows, Log: a.log}
}

// MediaPath says which path a plain call's sound would take on this machine,
// "kernel" or "user", and why.
func MediaPath(cfg *config.Config) (path, why string) {
	return media.ChoosePath((&App{cfg: cfg}).paths(1))
}
