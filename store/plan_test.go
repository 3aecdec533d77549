package store

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/bridge"
)

// TestListsReadAnIndexInItsOrder: a list that sorts, or scans a table, would be
// slow with a million calls. Every filter is tried with every other.
func TestListsReadAnIndexInItsOrder(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	set := []func(f *CallFilter){
		func(f *CallFilter) { f.Rep = "rep_1" },
		func(f *CallFilter) { f.Status = bridge.Ended },
		func(f *CallFilter) { f.Status = bridge.InProgress },
		func(f *CallFilter) { f.Outcome = bridge.Completed },
		func(f *CallFilter) { f.CreatedAfter = time.Now() },
		func(f *CallFilter) { f.CreatedBefore = time.Now() },
		func(f *CallFilter) { f.Metadata = map[string]string{"crm_id": "7", "campaign": "x"} },
		func(f *CallFilter) { f.Oldest = true },
		func(f *CallFilter) { f.Before = "call_1" },
	}
	for some := range 1 << len(set) {
		f := CallFilter{Limit: 50}
		for i, do := range set {
			if some>>i&1 == 1 {
				do(&f)
			}
		}
		query, args := f.query()
		plan := s.plan(t, query, args...)
		if !strings.HasPrefix(plan, "SEARCH ") || strings.Contains(plan, "TEMP B-TREE") || strings.Contains(plan, "SCAN") {
			t.Errorf("%+v: %s", f, plan)
		}
		// The next page begins where this one ended, not with the first call again.
		if f.Before != "" && !strings.Contains(plan, "id)>(?,?)") && !strings.Contains(plan, "id)<(?,?)") {
			t.Errorf("%+v: %s", f, plan)
		}
	}
}

// TestNothingScansATable: what is asked while calls are up, and what drops what is
// old, looks at no more rows than it wants.
func TestNothingScansATable(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	const after = "SELECT seq FROM events WHERE seq > 1 AND test = 0"
	for _, query := range []string{
		after + " AND call_id = 'x' ORDER BY seq LIMIT 5", after + " AND rep_id = 'x' AND rep_id <> '' ORDER BY seq LIMIT 5", after + " ORDER BY seq LIMIT 5",
		"DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE ended_at > 0 AND ended_at < 5 LIMIT 5)",
		"SELECT record FROM calls WHERE " + unfinished,
		"SELECT coalesce(sum(amount), 0) FROM spend WHERE day = 'x' AND trunk = 'y'",
		"DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency WHERE created_at < 5 LIMIT 5)",
		"DELETE FROM attempts WHERE rowid IN (SELECT rowid FROM attempts WHERE at < 5 LIMIT 5)",
		"SELECT count(*) FROM attempts WHERE number = 'x' AND at >= 5",
		deliveryColumns + " WHERE d.endpoint_id = 'a' AND d.state = 'pending' ORDER BY d.next_at, d.seq LIMIT 5",
		deliveryColumns + " WHERE d.endpoint_id = 'a' AND d.id < 3 ORDER BY d.id DESC LIMIT 4",
		"DELETE FROM deliveries WHERE seq BETWEEN 1 AND 2 AND state IN ('done', 'dead') AND last_at < 3",
	} {
		plan := strings.ReplaceAll(s.plan(t, query), "SCAN calls USING INDEX calls_live", "") // which has nothing but them
		if strings.Contains(plan, "SCAN") {
			t.Errorf("%s: %s", query, plan)
		}
	}
}

// plan is how SQLite would go about a query.
func (s *Store) plan(t *testing.T, query string, args ...any) (plan string) {
	t.Helper()
	rows, err := s.reads.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan += detail + "; "
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}
