// Package grafana is the source of the dashboard: rows and panels as a table,
// from which `go generate ./deploy/grafana` makes tandem.json.
package grafana

//go:generate go test -run TestDashboardIsCurrent -update
