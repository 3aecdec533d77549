package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tandem/bridge"
	_ "tandem/store" // and with it the driver
)

const (
	fillReps  = 200
	fillSpan  = 90 * 24 * time.Hour // in which the calls were placed
	fillGroup = 20_000              // calls a transaction
)

// fillStore puts n ended calls into a store that nobody has open, and returns their
// ids. It goes past the store's own door: by that it would take an hour.
func fillStore(path string, n int) (ids []string, err error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(OFF)&_pragma=journal_mode(WAL)&_pragma=cache_size(-400000)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	first := time.Now().Add(-fillSpan)
	for len(ids) < n {
		tx, err := db.BeginTx(context.Background(), nil)
		if err != nil {
			return nil, err
		}
		for range min(fillGroup, n-len(ids)) {
			r := filled(len(ids), first.Add(fillSpan/time.Duration(n)*time.Duration(len(ids))))
			if err := insert(tx, &r); err != nil {
				return nil, errors.Join(err, tx.Rollback())
			}
			ids = append(ids, r.ID)
		}
		if err := tx.Commit(); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// filled is the i-th call: one in seven had no answer.
func filled(i int, at time.Time) bridge.Record {
	rate := &bridge.Rate{Currency: "USD", PerMinute: 13_000_000, First: 6 * time.Second, Next: 6 * time.Second}
	leg := func(number string) bridge.Leg {
		return bridge.Leg{Status: bridge.LegEnded, Number: number, Trunk: "bench", SIPCallID: bridge.NewID("sip"), DialedAt: at, RingingAt: at.Add(time.Second),
			AnsweredAt: at.Add(4 * time.Second), EndedAt: at.Add(3 * time.Minute), Rate: rate, Hangup: &bridge.Hangup{Cause: bridge.CauseNormal, Q850: 16},
			Quality: &bridge.Quality{MOS: 4.3, JitterMS: 1.2, Received: 9000, Sent: 9000}}
	}
	r := bridge.Record{ID: bridge.NewID("call"), Status: bridge.Ended, Sequence: 13, CreatedAt: at, ConfirmedAt: at.Add(6 * time.Second), ConnectedAt: at.Add(9 * time.Second),
		EndedAt: at.Add(3 * time.Minute), UpdatedAt: at.Add(3 * time.Minute), ReachedProspect: true,
		Ending:   &bridge.Ending{Outcome: bridge.Completed, Reason: bridge.ReasonCompleted, By: bridge.ByRep},
		Rep:      leg(fmt.Sprintf("+%s%04d", repPrefix, i%fillReps)),
		Prospect: leg(fmt.Sprintf("+%s%04d", prospectPrefix, i%10_000)),
		Metadata: map[string]string{"crm_id": fmt.Sprint(i), "campaign": "autumn"}}
	r.Asked = bridge.Asked{Kind: bridge.PassThrough, Source: bridge.FromAPI, RepID: fmt.Sprintf("rep_%04d", i%fillReps), RepNumber: r.Rep.Number,
		To: r.Prospect.Number, ToDisplay: r.Prospect.Number, CallerID: "+12064000199", Metadata: r.Metadata}
	if i%7 == 0 {
		r.Ending = &bridge.Ending{Outcome: bridge.ProspectNoAnswer, Reason: bridge.ReasonProspectNoAnswer, By: bridge.BySystem}
	}
	return r
}

func insert(tx *sql.Tx, r *bridge.Record) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO calls (id, sequence, status, outcome, rep_number, rep_id, test, created_at, ended_at, record) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?)`,
		r.ID, r.Sequence, string(r.Status), string(r.Ending.Outcome), r.Asked.RepNumber, r.Asked.RepID, r.CreatedAt.UnixMicro(), r.EndedAt.UnixMicro(), string(doc))
	for key, value := range r.Metadata {
		if err == nil {
			_, err = tx.Exec("INSERT INTO call_metadata (call_id, key, value, created_at) VALUES (?, ?, ?, ?)", r.ID, key, value, r.CreatedAt.UnixMicro())
		}
	}
	return err
}
