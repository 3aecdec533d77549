package grafana

// row is one band of the dashboard.
type row struct {
	title  string
	panels []panel
}

// panel is one picture. Each description says what to do when it is red.
type panel struct {
	kind        string // timeseries, stat, bargauge, heatmap
	title       string
	unit        string // Grafana's: s, short, percentunit, …
	description string
	queries     []query
}

type query struct{ expr, legend string }

const sel = `instance=~"$instance"`
const onTrunk = `instance=~"$instance",trunk=~"$trunk"`

// q is a panel's only query.
func q(expr, legend string) []query { return []query{{expr, legend}} }

// quantiles are three of a histogram by some labels.
func quantiles(metric, labels, legend string) (all []query) {
	by := "le"
	if labels != "" {
		by += ", " + labels
	}
	for _, p := range []struct{ rank, name string }{{"0.5", "p50"}, {"0.95", "p95"}, {"0.99", "p99"}} {
		all = append(all, query{"histogram_quantile(" + p.rank + ", sum by (" + by + ") (rate(" + metric + "_bucket{" + sel + "}[5m])))", p.name + " " + legend})
	}
	return all
}

var rows = []row{
	{"Now", []panel{
		{"timeseries", "Is it us, the trunk, or a phone?", "short", "Whose line rises, it is. Us: the Process row, and the errors in the log. A trunk: the Trunks row, and tandem trunk test NAME. Phones: docs/runbooks/dtmf.md, and one-way-audio.md.", []query{
			{`sum(increase(tandem_log_messages_total{` + sel + `,level="error"}[15m]))`, "us: errors"},
			{"sum by (trunk) (increase(tandem_trunk_faults_total{" + onTrunk + "}[15m]))", "trunk {{trunk}}"},
			{`sum(increase(tandem_confirmations_total{` + sel + `,result="timeout"}[15m])) + sum(increase(tandem_rtp_one_way_legs_total{` + sel + `}[15m]))`, "phones: no key, or no sound"}}},
		{"stat", "Alerts", "short", "Each names its runbook, which tandem doctor NAME prints.", q(`count by (alertname) (ALERTS{alertstate="firing"}) or vector(0)`, "{{alertname}}")},
		{"timeseries", "Calls up, by status", "short", "Who is where. Many awaiting_confirmation and few in_progress: reps do not press 1, see docs/runbooks/dtmf.md.", q("sum by (status) (tandem_calls_active{"+sel+"})", "{{status}}")},
		{"stat", "Trunks up", "short", "0 is down: docs/runbooks/trunk-down.md.", q("tandem_trunk_up{"+onTrunk+"}", "{{trunk}}")},
		{"bargauge", "Channels in use", "percentunit", "Near 1 new calls are refused: docs/runbooks/trunk-full.md. A trunk whose limits.channels is not set is not here.", q("tandem_trunk_channels_in_use{"+onTrunk+"} / (tandem_trunk_channels_limit{"+onTrunk+"} > 0)", "{{trunk}}")},
		{"timeseries", "Calls a minute", "short", "What is asked for, and what is refused before any SIP. Refusals by code are in the Integration row.", []query{{"sum(rate(tandem_calls_created_total{" + sel + "}[5m])) * 60", "accepted"}, {"sum(rate(tandem_calls_rejected_total{" + sel + "}[5m])) * 60", "refused"}}},
		{"stat", "All should be 0", "short", "Stuck calls: docs/runbooks/stuck-calls.md. A configuration that was refused: docs/runbooks/reload-failed.md. Draining: this process takes no new calls, start another or wait for its end.", []query{
			{"sum(tandem_calls_stuck{" + sel + "})", "stuck calls"},
			{"1 - min(tandem_config_last_reload_successful{" + sel + "})", "configuration refused"},
			{"max(tandem_draining{" + sel + "})", "draining"}}},
		{"stat", "Version", "short", "What runs where. Two versions at once: an upgrade is half done.", q("tandem_build_info{"+sel+"}", "{{version}} {{instance}}")},
	}},
	{"Funnel", []panel{
		{"timeseries", "From the click to the talk", "short", "Where calls are lost. A gap between answered and pressed 1 is voicemail or DTMF (docs/runbooks/dtmf.md).", []query{
			{"sum(increase(tandem_calls_created_total{" + sel + "}[6h]))", "1 created"},
			{`sum(increase(tandem_call_stage_seconds_count{` + sel + `,stage="rep_answer"}[6h]))`, "2 rep answered"},
			{`sum(increase(tandem_confirmations_total{` + sel + `,result="confirmed"}[6h]))`, "3 pressed 1"},
			{`sum(increase(tandem_call_stage_seconds_count{` + sel + `,stage="prospect_answer"}[6h]))`, "4 prospect answered"},
			{`sum(increase(tandem_calls_ended_total{` + sel + `,outcome="completed"}[6h]))`, "5 completed"}}},
		{"timeseries", "Outcomes", "short", "failed is ours or the carrier's: docs/runbooks/calls-failing.md. All others are people.", q("sum by (outcome) (increase(tandem_calls_ended_total{"+sel+"}[15m]))", "{{outcome}}")},
		{"timeseries", "Confirmation", "short", "timeout rising alone is voicemail or broken DTMF.", q("sum by (result) (increase(tandem_confirmations_total{"+sel+"}[15m]))", "{{result}}")},
	}},
	{"Speed", []panel{
		{"timeseries", "1 to INVITE", "s", "Above 0.25 s reps notice: docs/runbooks/slow-setup.md.", []query{{`histogram_quantile(0.95, sum by (le) (rate(tandem_call_stage_seconds_bucket{` + sel + `,stage="confirm_to_invite"}[5m])))`, "p95"}}},
		{"timeseries", "Stages", "s", "The far ends' own pace, but for accept_to_invite, confirm_to_invite and answer_to_bridge, which are ours.", quantiles("tandem_call_stage_seconds", "stage", "{{stage}}")},
		{"heatmap", "Until the prospect's phone rings", "s", "RFC 6076 SRD. A trunk whose band moves up has congested routes: ask the carrier.", q(`sum by (le) (rate(tandem_call_stage_seconds_bucket{`+sel+`,stage="prospect_pdd"}[5m]))`, "{{le}}")},
	}},
	{"Audio", []panel{
		{"timeseries", "MOS", "short", "Under 3.6 people ask each other to repeat: docs/runbooks/bad-audio.md.", []query{
			{"histogram_quantile(0.1, sum by (le, leg) (rate(tandem_leg_mos_bucket{" + sel + "}[15m])))", "p10 {{leg}}"},
			{"histogram_quantile(0.5, sum by (le, leg) (rate(tandem_leg_mos_bucket{" + sel + "}[15m])))", "p50 {{leg}}"}}},
		{"timeseries", "Jitter", "s", "Above 30 ms the far end's buffer drops packets. Both legs at once is our own line.", quantiles("tandem_rtp_jitter_seconds", "leg", "{{leg}}")},
		{"timeseries", "Loss", "percentunit", "Above 1 % it is heard. One leg: that network; both: ours.", q("sum by (leg) (rate(tandem_rtp_lost_packets_total{"+sel+"}[5m])) / sum by (leg) (rate(tandem_rtp_packets_total{"+sel+",direction=\"in\"}[5m]))", "{{leg}}")},
		{"timeseries", "Legs without sound", "short", "docs/runbooks/one-way-audio.md.", []query{
			{"sum by (leg) (increase(tandem_rtp_one_way_legs_total{" + sel + "}[15m]))", "one way {{leg}}"},
			{"sum by (leg) (increase(tandem_rtp_silent_legs_total{" + sel + "}[15m]))", "silent {{leg}}"}}},
		{"timeseries", "Packet in to packet out", "s", "Above 5 ms the machine is too busy for sound: move calls, or give it CPU.", quantiles("tandem_media_forward_seconds", "", "")},
		{"timeseries", "RTP ports", "short", "At the limit calls are refused: widen media.rtp_ports.", []query{{"tandem_rtp_ports_in_use{" + sel + "}", "in use"}, {"tandem_rtp_ports_limit{" + sel + "}", "there are"}}},
		{"timeseries", "Media path", "short", "Streams in the kernel cost nothing. Fallbacks say why they are not: tandem doctor.", []query{{"sum by (path) (tandem_media_streams{" + sel + "})", "{{path}}"}, {"sum by (reason) (increase(tandem_media_path_fallbacks_total{" + sel + "}[15m]))", "not: {{reason}}"}}},
		{"timeseries", "Packets not believed", "short", "Somebody sprays our ports, or a far end moved without telling.", []query{{"sum by (reason) (rate(tandem_rtp_rejected_packets_total{" + sel + "}[5m]))", "{{reason}}"}, {"sum by (reason) (rate(tandem_rtp_suspect_packets_total{" + sel + "}[5m]))", "suspect: {{reason}}"}}},
	}},
	{"Trunks", []panel{
		{"timeseries", "ASR", "percentunit", "Answered of all. Falling on one trunk only: its routes, or our caller id is flagged as spam.", q("tandem:trunk_asr:ratio_rate1h{trunk=~\"$trunk\"}", "{{trunk}}")},
		{"timeseries", "Mean answered time", "s", "ACD. Seconds only: voicemails are hung up on, or calls drop.", q("sum by (trunk) (rate(tandem_leg_answered_seconds_sum{"+onTrunk+"}[1h])) / sum by (trunk) (rate(tandem_leg_answered_seconds_count{"+onTrunk+"}[1h]))", "{{trunk}}")},
		{"timeseries", "Short calls", "percentunit", "Above 10 % carriers surcharge: docs/runbooks/short-calls.md.", []query{{"tandem:trunk_short_calls:ratio_rate1h{trunk=~\"$trunk\"}", "12 s and less {{trunk}}"}, {`sum by (trunk) (rate(tandem_leg_answered_seconds_bucket{` + onTrunk + `,le="6"}[1h])) / sum by (trunk) (rate(tandem_leg_answered_seconds_count{` + onTrunk + `}[1h]))`, "6 s and less {{trunk}}"}}},
		{"timeseries", "Faults", "short", "Calls that a trunk could not carry, by what is wrong with it; tandem trunk test NAME says what to change.", q("sum by (trunk, reason) (increase(tandem_trunk_faults_total{"+onTrunk+"}[15m])) > 0", "{{trunk}} {{reason}}")},
		{"timeseries", "Response codes", "short", "403 and 503 rising: the carrier refuses us. tandem call trace shows its words.", q("sum by (code) (rate(tandem_sip_responses_total{"+sel+",direction=\"in\"}[5m]))", "{{code}}")},
		{"timeseries", "Waits for a calls-per-second slot", "s", "The trunk's cps is the brake: have the carrier raise it.", quantiles("tandem_trunk_cps_wait_seconds", "trunk", "{{trunk}}")},
		{"timeseries", "OPTIONS round trip", "s", "A step up is another route to the carrier; rising for long is congestion.", quantiles("tandem_trunk_options_seconds", "trunk", "{{trunk}}")},
		{"stat", "Registration ends in", "s", "Below 0 the carrier has forgotten us: docs/runbooks/trunk-down.md. A trunk that does not register is not here.", q("(tandem_trunk_registration_expires_timestamp_seconds{"+onTrunk+"} > 0) - time()", "{{trunk}}")},
		{"timeseries", "Failovers", "short", "Legs that another trunk had to carry: this one failed before anything rang.", q("sum by (trunk, reason) (increase(tandem_trunk_failovers_total{"+onTrunk+"}[15m]))", "{{trunk}} {{reason}}")},
		{"timeseries", "Retransmissions", "short", "SIP is lost on the way: the network, or a carrier that drops us.", q("sum by (direction) (rate(tandem_sip_retransmissions_total{"+sel+"}[5m]))", "{{direction}}")},
	}},
	{"Integration", []panel{
		{"timeseries", "Requests", "short", "5xx are ours; 429 is a CRM in a loop.", q("sum by (route, code) (rate(tandem_http_requests_total{"+sel+"}[5m]))", "{{route}} {{code}}")},
		{"timeseries", "Refused calls", "short", "What reps run into; each code has a page: /errors/CODE.", q("sum by (code) (increase(tandem_calls_rejected_total{"+sel+"}[15m]))", "{{code}}")},
		{"timeseries", "Webhook attempts", "short", "docs/runbooks/webhooks.md.", q("sum by (result) (rate(tandem_webhook_attempts_total{"+sel+"}[5m]))", "{{result}}")},
		{"timeseries", "Oldest webhook that waits", "s", "Above 15 min an endpoint is down: docs/runbooks/webhooks.md.", q("max(tandem_webhook_oldest_pending_seconds{"+sel+"})", "oldest")},
		{"timeseries", "Event streams", "short", "Dropped ones do not read: a page asleep, or a consumer that is too slow.", []query{{"sum(tandem_sse_clients{" + sel + "})", "open"}, {"sum(increase(tandem_sse_dropped_total{" + sel + "}[15m]))", "dropped"}}},
	}},
	{"Money", []panel{
		{"timeseries", "Cost a day", "short", "By leg: a pass-through call is two calls to the carrier.", q("sum by (leg, currency) (increase(tandem_billed_amount_total{"+sel+"}[1d]))", "{{leg}} {{currency}}")},
		{"timeseries", "Cost a connected minute", "short", "Rising: short calls with a connection fee, or another destination.", q("sum(increase(tandem_billed_amount_total{"+sel+"}[1d])) / (sum(increase(tandem_call_talk_seconds_sum{"+sel+"}[1d])) / 60)", "a minute")},
		{"timeseries", "The second leg's share", "percentunit", "What the rep's own leg adds: an office PBX for reps makes it nothing.", q(`sum(increase(tandem_billed_amount_total{`+sel+`,leg="rep"}[1d])) / sum(increase(tandem_billed_amount_total{`+sel+`}[1d]))`, "rep's leg")},
	}},
	{"Process", []panel{
		{"timeseries", "CPU", "percentunit", "Of one core. Near the number of cores sound suffers first.", q("rate(process_cpu_seconds_total{"+sel+",job=\"tandem\"}[5m])", "{{instance}}")},
		{"timeseries", "Memory", "bytes", "Flat for the same number of calls; a slope is a leak: report it.", q("process_resident_memory_bytes{"+sel+",job=\"tandem\"}", "{{instance}}")},
		{"timeseries", "Goroutines", "short", "Follows the calls; else a leak.", q("go_goroutines{"+sel+",job=\"tandem\"}", "{{instance}}")},
		{"timeseries", "Garbage collection", "s", "A pause is a gap in sound on the user path.", q("rate(go_gc_duration_seconds_sum{"+sel+",job=\"tandem\"}[5m])", "{{instance}}")},
		{"timeseries", "File descriptors", "percentunit", "Well before 1 new calls are refused with no_capacity, so that those that are up keep their sound: raise LimitNOFILE. tandem doctor says how many calls the files carry.", q("process_open_fds{"+sel+",job=\"tandem\"} / process_max_fds{"+sel+",job=\"tandem\"}", "{{instance}}")},
		{"timeseries", "Store", "bytes", "Grows with store.keep_cdrs. docs/runbooks/store.md.", q("tandem_store_bytes{"+sel+"}", "{{instance}}")},
		{"timeseries", "Durable writes", "s", "Every step of a call waits for one: above 50 ms the disk is the brake.", quantiles("tandem_store_write_seconds", "", "")},
		{"timeseries", "Log lines", "short", "Errors have a code: look for it in the log.", q(`sum by (level) (increase(tandem_log_messages_total{`+sel+`,level=~"warn|error"}[15m]))`, "{{level}}")},
	}},
}
