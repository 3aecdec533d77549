package sip

import (
	"context"
	"slices"
	"strconv"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"
)

// routesLimit bounds the Service-Route a registrar can give us.
const routesLimit = 8

// hideProxy behind the outbound proxy keeps it out of the Route header: some
// carriers' SBCs take requests for themselves only, and refuse to be passed through.
const hideProxy = ";hide"

// follow keeps the route that calls are to take (RFC 3608), if all of it can be
// sent.
func (t *trunk) follow(routes []string) {
	if len(routes) > routesLimit || slices.ContainsFunc(routes, func(route string) bool {
		_, _, ok := nextHop(route)
		return !ok || !headerSafe(route)
	}) {
		routes = nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.routes = routes
}

// nextHop reads where a route leads; the transport is "" where it does not say.
func nextHop(route string) (uri sipmsg.Uri, transport string, ok bool) {
	uri, ok = sipURI(addressURI(route))
	transport = strings.ToLower(uri.UriParams.GetOr("transport", ""))
	return uri, transport, ok && (transport == "" || prefixes[transport] != "") && uri.Port >= 0 && uri.Port <= 65535
}

// serviceRoute is what follow kept.
func (t *trunk) serviceRoute() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.routes
}

// proxyRoute is the outbound proxy as the route that it is (RFC 3261 §8.1.2): a
// loose one, so that the Request-URI goes on naming the trunk.
func (t *TrunkConfig) proxyRoute(transport string) []string {
	host, port, err := splitHostPort(strings.TrimSuffix(t.Proxy, hideProxy))
	if t.Proxy == "" || strings.HasSuffix(t.Proxy, hideProxy) || err != nil {
		return nil
	}
	uri := "sip:" + uriHost(host)
	if port != 0 {
		uri += ":" + strconv.Itoa(int(port))
	}
	if transport != "udp" {
		uri += ";transport=" + transport
	}
	return []string{"<" + uri + ";lr>"}
}

// routeSet is what an INVITE travels by: the outbound proxy, then the Service-Route
// (RFC 3608 §6.1), which may name that proxy first itself.
func (t *trunk) routeSet(transport string) []string {
	service, proxy := t.serviceRoute(), t.proxyRoute(transport)
	if len(service) > 0 && len(proxy) > 0 {
		first, _, _ := nextHop(service[0])
		if ours, _, _ := nextHop(proxy[0]); strings.EqualFold(first.Host, ours.Host) && first.Port == ours.Port {
			return service
		}
	}
	return append(proxy, service...)
}

// way is where calls to a trunk go: to its outbound proxy, else by its Service-Route,
// if it has given us one.
func (e *Endpoint) way(ctx context.Context, t *trunk) ([]target, error) {
	if route := t.serviceRoute(); len(route) > 0 && t.Proxy == "" {
		return e.targetsOf(ctx, t, "service-route", route[0])
	}
	return e.locator.targets(ctx, &t.TrunkConfig)
}

// welcome lets in who passes the registrar's requests on to us: the last of the
// Path, which is next to us (RFC 3327 §5.1).
func (e *Endpoint) welcome(ctx context.Context, t *trunk, path []string) {
	if len(path) == 0 {
		return
	}
	last := path[len(path)-1]
	if _, _, ok := nextHop(last); !ok {
		return
	}
	if _, err := e.targetsOf(ctx, t, "path", last); err != nil {
		e.log.Warn("sip: who passes requests on to us cannot be found", "trunk", t.Name, "err", err)
	}
}

// targetsOf finds where a route that nextHop can read leads, and lets that in.
func (e *Endpoint) targetsOf(ctx context.Context, t *trunk, kind, route string) ([]target, error) {
	uri, transport, _ := nextHop(route)
	if transport == "" {
		transport = t.Transport
	}
	return e.locator.targets(ctx, &TrunkConfig{
		Name: t.Name + " " + kind, Host: strings.Trim(uri.Host, "[]"), Port: uint16(uri.Port), Transport: transport,
	})
}
