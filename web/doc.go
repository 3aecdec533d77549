// Package web is the rep's page: plain ES modules, embedded in the binary, that
// speak to the control API by the cookie of a rep's session. It imports nothing
// of tandem's; what the page knows it learns from the API.
//
//	page/index.html   the page, with its live regions in place before they are filled
//	page/app.js       puts the parts together
//	page/api.js       requests, problems, the server's clock
//	page/session.js   how a rep signs in, and how a session that is over begins anew
//	page/live.js      the event stream, and polling where it does not hold
//	page/banner.js    the alert at the top
//	page/dialer.js    the number, the keys, the switch, Call
//	page/settings.js  the pass-through number, its test, the caller id
//	page/after.js     what is noted after a call
//	page/recent.js    the list of calls
//	page/details.js   what happened in a call, and how it sounded
//	page/plot.js      a leg's loss and jitter over time, drawn
//	page/frame.js     the page around ours: one that speaks our messages, or a CRM's own interface
//	page/signin.js    on the page of a sign-in link, for a window that ours opened
//	page/wall.js      the wallboard for ops, by an API key; wall.text.js has its words
//	page/text.js      every string, for translation
//	page/embed/       dial.js for a CRM's pages; what speaks to HubSpot, and to Salesforce
package web
