// Package bridge is the call: ring the rep, hear a 1, ring the prospect, let
// them talk, and say what happened.
//
//	queued ─► calling_rep ─► awaiting_confirmation ─► calling_prospect ─► in_progress ─► ended
//
// So far it holds the words of a call, what a refusal means (outcome.go) and a
// call's limits. All that is ever said of a call is said by its Events:
// Record.Apply folds them into the record that the API shows, the store keeps
// and the metrics count. An event that must not be lost is durable before the
// act that it announces.
package bridge
