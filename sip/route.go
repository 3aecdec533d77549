package sip

import (
	"context"
	"slices"
	"strings"
)

// routesLimit bounds the Service-Route a registrar can give us.
const routesLimit = 8

// follow keeps the route that calls are to take (RFC 3608), if all of it can be
// sent.
func (t *trunk) follow(routes []string) {
	if len(routes) > routesLimit || slices.ContainsFunc(routes, func(route string) bool {
		uri, ok := sipURI(addressURI(route))
		transport := strings.ToLower(uri.UriParams.GetOr("transport", "udp"))
		return !ok || !headerSafe(route) || prefixes[transport] == "" || uri.Port < 0 || uri.Port > 65535
	}) {
		routes = nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.routes = routes
}

// serviceRoute is what follow kept.
func (t *trunk) serviceRoute() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.routes
}

// way is where calls to a trunk go: by its Service-Route, if it has given us one.
func (e *Endpoint) way(ctx context.Context, t *trunk) ([]target, error) {
	route := t.serviceRoute()
	if len(route) == 0 {
		return e.locator.targets(ctx, &t.TrunkConfig)
	}
	uri, _ := sipURI(addressURI(route[0])) // follow has seen it
	return e.locator.targets(ctx, &TrunkConfig{
		Name: t.Name + " service-route", Host: strings.Trim(uri.Host, "[]"), Port: uint16(uri.Port),
		Transport: strings.ToLower(uri.UriParams.GetOr("transport", t.Transport)),
	})
}
