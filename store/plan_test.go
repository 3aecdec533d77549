package store

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestListsReadAnIndexInItsOrder: a list that sorts, or scans the table, would be
// slow with a million calls.
func TestListsReadAnIndexInItsOrder(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	const order = " ORDER BY created_at DESC, id DESC LIMIT 51"
	for _, where := range []string{
		"test = 0", "test = 0 AND status = 'ended'", "test = 0 AND outcome = 'completed'", "test = 0 AND rep_id = 'rep_1'",
		"test = 0 AND created_at >= 1 AND created_at < 2", "test = 0 AND (created_at, id) < ((SELECT created_at FROM calls WHERE id = 'x'), 'x')",
	} {
		rows, err := s.reads.QueryContext(t.Context(), "EXPLAIN QUERY PLAN SELECT record FROM calls WHERE "+where+order)
		if err != nil {
			t.Fatal(err)
		}
		plan := ""
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
		if !strings.Contains(plan, "SEARCH calls USING INDEX") || strings.Contains(plan, "TEMP B-TREE") || strings.Contains(plan, "SCAN") {
			t.Errorf("%s: %s", where, plan)
		}
	}
}
