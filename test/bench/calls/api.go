package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"tandem/bridge"
	"tandem/store"
)

const (
	apiClients = 8
	apiFor     = 3 * time.Second // each kind of request
	listTimes  = 40              // each list
)

// runAPI prints what the API does on a store of n calls.
func runAPI(n, probes int) error {
	dir, err := os.MkdirTemp("", "tandem-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := build(dir)
	if err != nil {
		return err
	}
	var ids []string
	began := time.Now()
	fill := func(path string) (err error) {
		ids, err = fillStore(path, n)
		return err
	}
	w := &wire{}
	w.reset()
	w.muted.Store(true)
	release := make(chan struct{})
	t, err := openTrunk(w, release)
	if err != nil {
		return err
	}
	p, err := start(binary, dir, "user", t.Addr().Port(), fill)
	if err != nil {
		return errors.Join(err, t.Close())
	}
	info, err := os.Stat(filepath.Join(dir, "tandem.db"))
	if err == nil {
		fmt.Printf("%d calls, %.1f GB, ready after %.0f s\n\n", n, float64(info.Size())/1e9, time.Since(began).Seconds())
		b := &apiBench{process: p, w: w, ids: ids, probes: probes}
		for _, part := range []func() error{b.rates, b.lists, b.export, b.latency, b.fanOut} {
			if err = part(); err != nil {
				break
			}
		}
	}
	close(release)
	if err := errors.Join(err, p.stop(), t.Close()); err != nil {
		return err
	}
	return retention(filepath.Join(dir, "tandem.db"))
}

type apiBench struct {
	*process
	w      *wire
	ids    []string
	probes int
	placed int
}

// rate does something by several clients at once, and prints how often a second.
func (b *apiBench) rate(what string, do func() error) error {
	var n atomic.Int64
	var failed atomic.Pointer[error]
	end := time.Now().Add(apiFor)
	var clients sync.WaitGroup
	for range apiClients {
		clients.Go(func() {
			for time.Now().Before(end) && failed.Load() == nil {
				if err := do(); err != nil {
					failed.Store(&err)
				}
				n.Add(1)
			}
		})
	}
	clients.Wait()
	if err := failed.Load(); err != nil {
		return fmt.Errorf("%s: %w", what, *err)
	}
	fmt.Printf("%-44s %8.0f a second\n", what, float64(n.Load())/apiFor.Seconds())
	return nil
}

func (b *apiBench) rates() error {
	var made atomic.Int64
	return errors.Join(
		b.rate("create, each a call that ends busy", func() error {
			var call struct{ ID string }
			i := made.Add(1)
			return b.do("POST", "/v1/calls", fmt.Sprintf(`{"rep_number":"+%s%04d","to":"+%s%04d"}`, busyPrefix, i%10_000, prospectPrefix, i%10_000), &call)
		}),
		b.rate("get", func() error {
			var call struct{ ID string }
			return b.do("GET", "/v1/calls/"+b.ids[rand.IntN(len(b.ids))], "", &call)
		}),
		b.rate("list, the newest 50", func() error { return b.list("") }))
}

func (b *apiBench) list(query string) error {
	var page struct{ Data []struct{ ID string } }
	return b.do("GET", "/v1/calls?"+query, "", &page)
}

// lists times every filter of the contract, alone and where two could disagree.
func (b *apiBench) lists() error {
	at := func(part float64) string {
		return url.QueryEscape(time.Now().Add(-time.Duration(float64(fillSpan) * (1 - part))).UTC().Format(time.RFC3339))
	}
	middle, oldest := b.ids[len(b.ids)/2], b.ids[min(60, len(b.ids)-1)]
	fmt.Printf("\na page of 50, p50 / p99 ms\n")
	for _, query := range []string{"", "cursor=" + middle, "cursor=" + oldest, "rep_id=rep_0007", "rep_id=rep_0007&cursor=" + middle, "status=ended", "status=in_progress",
		"outcome=prospect_no_answer", "outcome=failed", "created_after=" + at(0.4) + "&created_before=" + at(0.5), "metadata[crm_id]=77", "metadata[campaign]=autumn",
		"metadata[campaign]=autumn&cursor=" + middle, "rep_id=rep_0007&status=ended&outcome=completed&metadata[campaign]=autumn"} {
		var took []time.Duration
		for range listTimes {
			begin := time.Now()
			if err := b.list(query); err != nil {
				return err
			}
			took = append(took, time.Since(begin))
		}
		fmt.Printf("%-90s %6.1f / %.1f\n", query, ms(took, 50), ms(took, 99))
	}
	return nil
}

// ms is a percentile in milliseconds.
func ms(d []time.Duration, percent int) float64 { return 1e3 * at(d, percent).Seconds() }

// export reads all records as CSV.
func (b *apiBench) export() error {
	before, err := b.memory()
	if err != nil {
		return err
	}
	span := url.Values{"format": {"csv"}, "from": {time.Now().Add(-2 * fillSpan).UTC().Format(time.RFC3339)}, "to": {time.Now().UTC().Format(time.RFC3339)}}
	req, err := http.NewRequest("GET", b.url+"/v1/cdrs?"+span.Encode(), nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth(b.key, "")
	begin := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	rows, peak := 0, before
	for lines := bufio.NewReaderSize(res.Body, 1<<20); ; rows++ {
		if _, err := lines.ReadSlice('\n'); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if rows%10_000 == 0 {
			now, err := b.memory()
			if err != nil {
				return err
			}
			peak = max(peak, now)
		}
	}
	took := time.Since(begin).Seconds()
	fmt.Printf("\nCSV of %d records: %.0f s, %.0f a second; memory %.0f MB before, %.0f MB at most\n", rows-1, took, float64(rows)/took, float64(before)/1e6, float64(peak)/1e6)
	return nil
}

// retention drops a third of the calls while others are written, and prints what
// those had to wait.
func retention(path string) error {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{Path: path, KeepCalls: fillSpan * 2 / 3})
	if err != nil {
		return err
	}
	defer s.Close()
	over := make(chan error, 1)
	begin := time.Now()
	go func() { over <- s.Prune(ctx, time.Now()) }()
	var took []time.Duration
	for {
		record := filled(0, time.Now())
		e := bridge.Event{ID: bridge.NewID("evt"), Call: record.ID, Seq: 1, Type: bridge.CallQueued, At: time.Now(), Asked: &record.Asked}
		record = bridge.Record{}
		record.Apply(e)
		wrote := time.Now()
		if err := s.Emit(ctx, record, e); err != nil {
			return err
		}
		took = append(took, time.Since(wrote))
		select {
		case err := <-over:
			fmt.Printf("\nretention: a third of the calls dropped in %.0f s; an event written meanwhile waited %.1f / %.1f ms (p50 / p99), %.1f at most\n",
				time.Since(begin).Seconds(), ms(took, 50), ms(took, 99), ms(took, 100))
			return err
		case <-time.After(5 * time.Millisecond):
		}
	}
}
