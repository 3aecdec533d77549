// Package e2e runs the tandem binary against real peers, by the real clock.
package e2e
