package test

import (
	"os"
	"path/filepath"
	"testing/synctest"
)

// crash ends tandem as a power cut does: from this instant it reaches nobody
// and writes nothing that counts, and another one starts on what the disk held.
func (w *world) crash() {
	w.t.Helper()
	synctest.Wait()
	dir := w.t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(w.db + suffix)
		if err != nil && !os.IsNotExist(err) {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "tandem.db"+suffix), data, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	w.net.Cut(tandemAt.Addr())
	old, client := w.app, w.http
	w.dead = append(w.dead, func() {
		client.CloseIdleConnections()
		_ = old.Stop(ended()) // its cable is cut: that it says goodbye to nobody is the point
	})
	w.db = filepath.Join(dir, "tandem.db")
	w.cfg.Store.URL = "sqlite://" + w.db
	w.startApp()
}
