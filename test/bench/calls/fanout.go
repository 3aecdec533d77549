package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	manyStreams = 200
	manyHooks   = 50
	probePace   = time.Second // between calls: whoever listens has all of the one before
)

// listeners are a CRM's: streams, and a server that webhooks go to.
type listeners struct {
	p      *process
	told   func(moment)
	server http.Server
	ends   context.CancelFunc
	life   context.Context
	wait   sync.WaitGroup
}

// listen begins with the server, and says where it is.
func listen(p *process, told func(moment)) (*listeners, string, error) {
	at, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	l := &listeners{p: p, told: told}
	l.life, l.ends = context.WithCancel(context.Background())
	l.server.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a probe that misses its event says so
		if strings.Contains(string(body), `"call.rep_ringing"`) {
			told(hookTold)
		}
	})
	l.wait.Go(func() { _ = l.server.Serve(at) })
	return l, "http://" + at.Addr().String() + "/", nil
}

// stream follows all events, from now on once it returns.
func (l *listeners) stream() error {
	req, err := http.NewRequestWithContext(l.life, "GET", l.p.url+"/v1/events", nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth(l.p.key, "")
	req.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	lines := bufio.NewReader(res.Body)
	if _, err := lines.ReadString('\n'); err != nil { // retry: it follows
		return err
	}
	l.wait.Go(func() {
		defer res.Body.Close()
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if line == "event: call.rep_ringing\n" {
				l.told(streamTold)
			}
		}
	})
	return nil
}

func (p *process) hook(at string) error {
	var made struct{ ID string }
	return p.do("POST", "/v1/webhook-endpoints", fmt.Sprintf(`{"url":%q}`, at), &made)
}

func (l *listeners) close() error {
	l.ends()
	err := l.server.Close()
	l.wait.Wait()
	return err
}

// probesOf are times of calls that are placed one after the other.
func (b *apiBench) probesOf(told ...moment) (*figures, map[moment][]time.Duration, error) {
	f, times := &figures{}, make(map[moment][]time.Duration)
	for range b.probes {
		time.Sleep(probePace)
		b.placed++
		if err := f.probe(b.process, b.w, b.placed); err != nil {
			return nil, nil, err
		}
		for _, m := range told {
			took, ok := b.w.between(repRang, m)
			if !ok {
				return nil, nil, fmt.Errorf("never: %s", m)
			}
			times[m] = append(times[m], took)
		}
	}
	return f, times, nil
}

// latency is how long after a 180 somebody is told.
func (b *apiBench) latency() error {
	l, at, err := listen(b.process, func(m moment) { b.w.mark(m, anyCall) })
	if err != nil {
		return err
	}
	if err := errors.Join(l.stream(), b.hook(at)); err != nil {
		return errors.Join(err, l.close())
	}
	_, times, err := b.probesOf(streamTold, hookTold)
	if err == nil {
		fmt.Printf("\n180 until told, p50 / p99 ms: stream %.1f / %.1f, webhook %.1f / %.1f\n", ms(times[streamTold], 50), ms(times[streamTold], 99),
			ms(times[hookTold], 50), ms(times[hookTold], 99))
	}
	return errors.Join(err, l.close())
}

// fanOut times calls with nobody listening, and with many.
func (b *apiBench) fanOut() error {
	if err := b.unhook(); err != nil {
		return err
	}
	fmt.Printf("\nPOST until INVITE, key until INVITE, p50 / p99 ms; CPU of tandem a call\n")
	if err := b.fanned("nobody listens"); err != nil {
		return err
	}
	c, err := b.crowd()
	if err != nil {
		return err
	}
	for i := range manyHooks {
		err = errors.Join(err, b.hook(fmt.Sprintf("%s%d", c.hooks, i)))
	}
	if err == nil {
		err = b.fanned(fmt.Sprintf("%d streams, %d webhook endpoints", manyStreams, manyHooks))
	}
	return errors.Join(err, c.close())
}

// fanned prints what calls take, and cost.
func (b *apiBench) fanned(who string) error {
	before, err := b.cpu()
	if err != nil {
		return err
	}
	f, _, err := b.probesOf()
	if err != nil {
		return err
	}
	after, err := b.cpu()
	fmt.Printf("%-40s %.1f / %.1f, %.1f / %.1f; %.0f ms\n", who, ms(f.invite, 50), ms(f.invite, 99), ms(f.press, 50), ms(f.press, 99),
		1e3*(after-before).Seconds()/float64(b.probes))
	return err
}

// unhook removes all webhook endpoints.
func (b *apiBench) unhook() error {
	var all struct{ Data []struct{ ID string } }
	if err := b.do("GET", "/v1/webhook-endpoints", "", &all); err != nil {
		return err
	}
	for _, e := range all.Data {
		req, err := http.NewRequest("DELETE", b.url+"/v1/webhook-endpoints/"+e.ID, nil)
		if err != nil {
			return err
		}
		req.SetBasicAuth(b.key, "")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_ = res.Body.Close()
	}
	return nil
}
