// Package ops holds what those who run tandem rely on: its metrics, the rules and
// the dashboard made of them, and what deploy/ installs.
package ops
