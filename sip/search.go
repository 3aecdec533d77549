package sip

import (
	"strings"

	"github.com/miekg/dns"
)

// searchList is what a resolv.conf says of short names (resolv.conf(5)).
type searchList struct {
	domains []string
	ndots   int
}

// systemSearch reads a resolv.conf; without one no name is short.
func systemSearch(conf string) func() searchList {
	return func() searchList {
		cfg, err := dns.ClientConfigFromFile(conf)
		if err != nil {
			return searchList{}
		}
		return searchList{cfg.Search, cfg.Ndots}
	}
}

// names are what a host may stand for, the likeliest first: with each search
// domain, and then as it is, if it has fewer dots than ndots. One that has enough
// is meant as it is, and is never sought below a domain of somebody else's.
func (s searchList) names(host string) (all []string) {
	if strings.HasSuffix(host, ".") || strings.Count(host, ".") >= s.ndots {
		return []string{host}
	}
	for _, domain := range s.domains {
		if name := dns.Fqdn(host + "." + strings.TrimPrefix(domain, ".")); len(name) > 1 {
			if _, ok := dns.IsDomainName(name); ok {
				all = append(all, name)
			}
		}
	}
	return append(all, dns.Fqdn(host))
}
