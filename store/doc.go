// Package store keeps what must survive a crash: calls, their events, the SIP
// legs that are up, API keys and the answers to idempotent requests.
//
// Commit, then act: nothing irrevocable happens before the transaction that
// says so is durable. The engine is SQLite with a write-ahead log that is
// synced at every commit; one writer commits together whatever waits for it,
// so that many calls share one sync of the disk. An event, the record that it
// leads to, and its place in the stream that consumers read are one transaction.
package store
