// Package api is what a CRM sees: the control API over HTTP, with its event
// stream. It is described by openapi.yaml, which it serves; what that does not
// describe does not exist.
//
// A request is answered before any SIP, and nothing here makes a call wait.
// Every refusal is a problem document (RFC 9457) whose code never changes.
package api
