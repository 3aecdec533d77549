package sip

import (
	"context"
	"errors"
	"fmt"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// transactionLife is 64*T1: how long a transaction, or a memory of one, lasts.
func (e *Endpoint) transactionLife() time.Duration {
	return 64 * e.t1()
}

func (e *Endpoint) t1() time.Duration {
	if e.cfg.T1 > 0 {
		return e.cfg.T1
	}
	return defaultT1
}

// roundTrip sends a trunk any request but INVITE and ACK, and waits for its final
// response: 64*T1 at most (RFC 3261 Timer F).
func (e *Endpoint) roundTrip(t *trunk, req *sipmsg.Request) (*sipmsg.Response, error) {
	return e.ask(e.ctx, t, req)
}

// request gives a request to a trunk to a transaction.
func (e *Endpoint) request(t *trunk, req *sipmsg.Request) (*sipmsg.ClientTx, error) {
	if err := e.flows.connect(t, req); err != nil {
		return nil, err
	}
	return e.txl.Request(e.ctx, req)
}

// ask is roundTrip that gives up when ctx ends.
func (e *Endpoint) ask(ctx context.Context, t *trunk, req *sipmsg.Request) (*sipmsg.Response, error) {
	e.sent(req)
	tx, err := e.request(t, req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", req.Method, ErrUnreachable, err)
	}
	defer tx.Terminate()
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, nil
			}
		case <-tx.Done():
			err := tx.Err()
			if errors.Is(err, sipmsg.ErrTransactionTimeout) {
				e.metrics.timeout(req.Method)
			}
			return nil, fmt.Errorf("%s: %w: %w", req.Method, ErrUnreachable, err)
		case <-ctx.Done():
			if e.ctx.Err() != nil {
				return nil, fmt.Errorf("%s: %w", req.Method, ErrClosed)
			}
			e.metrics.timeout(req.Method)
			return nil, fmt.Errorf("%s: %w: %w", req.Method, ErrUnreachable, ErrNoResponse)
		}
	}
}
