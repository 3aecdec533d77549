package config

import "time"

// Config is the whole configuration. The tags of a field are its name in the
// file, its default, the words it may have, the range of its value, and what it
// means; from them come the checks, the schema and `config print`.
type Config struct {
	Version  int               `key:"version" default:"1" min:"1" max:"1" doc:"schema version"`
	SIP      SIP               `key:"sip" doc:"signalling"`
	Media    Media             `key:"media" doc:"sound"`
	CallFlow CallFlow          `key:"call_flow" doc:"how a call goes"`
	Numbers  Numbers           `key:"numbers" doc:"who may be dialled"`
	Policy   Policy            `key:"policy" doc:"when and how often"`
	Trunks   map[string]Trunk  `key:"trunks" required:"true" doc:"SIP trunks by name"`
	Routing  []Route           `key:"routing" doc:"which trunk takes which leg; the first match wins; without any, the first trunk takes all"`
	HTTP     HTTP              `key:"http" doc:"the control API"`
	Metrics  Metrics           `key:"metrics" doc:"Prometheus"`
	Store    Store             `key:"store" doc:"the database"`
	Webhooks Webhooks          `key:"webhooks" doc:"events sent out"`
	Rates    Rates             `key:"rates" doc:"what calls cost"`
	Log      Log               `key:"log" doc:"the log, on standard error"`
	Tracing  Tracing           `key:"tracing" doc:"OpenTelemetry"`
	HEP      HEP               `key:"hep" doc:"a Homer collector"`
	Origins  map[string]Origin `key:"-"` // where each value came from, by path
}

// SIP is the signalling.
type SIP struct {
	Listen        []string  `key:"listen" default:"udp://0.0.0.0:5060,tcp://0.0.0.0:5060" doc:"restart to change"`
	TLS           TLS       `key:"tls" doc:"for tls:// listeners"`
	PublicAddress string    `key:"public_address" default:"auto" doc:"auto, or the IP or name put in Contact, Via and SDP; auto = what the trunk sees us as, else the address of the route to it"`
	UserAgent     string    `key:"user_agent" default:"tandem" doc:"User-Agent header"`
	Timers        SIPTimers `key:"timers" doc:"RFC 3261"`
	AllowFrom     []string  `key:"allow_from" default:"trunks" doc:"who may send us SIP: trunks, and networks in CIDR"`
}

// TLS names a certificate.
type TLS struct {
	CertFile   string `key:"cert_file" doc:"PEM"`
	KeyFile    string `key:"key_file" doc:"PEM"`
	MinVersion string `key:"min_version" default:"1.2" oneof:"1.2,1.3" doc:"lowest TLS version"`
}

// SIPTimers are those of RFC 3261.
type SIPTimers struct {
	T1            time.Duration `key:"t1" default:"500ms" min:"50ms" max:"2s" doc:"round trip"`
	InviteTimeout time.Duration `key:"invite_timeout" default:"32s" min:"2s" max:"64s" doc:"an INVITE without any response ends"`
}

// Media is the sound.
type Media struct {
	RTPPorts          string        `key:"rtp_ports" default:"20000-20999" doc:"RTP takes the even ports; 2 a call; restart to change"`
	PublicAddress     string        `key:"public_address" doc:"if media leaves by another address than SIP"`
	Symmetric         bool          `key:"symmetric" default:"true" doc:"answer to where audio really comes from"`
	InactivityTimeout time.Duration `key:"inactivity_timeout" default:"30s" min:"10s" max:"120s" doc:"no audio from a leg that long ends the call"`
	DSCP              int           `key:"dscp" default:"46" min:"0" max:"63" doc:"of RTP packets; 46 = EF"`
	FastPath          string        `key:"fast_path" default:"auto" oneof:"auto,kernel,user" doc:"auto | kernel (eBPF; refuse to start without it) | user"`
	Interfaces        string        `key:"interfaces" default:"auto" doc:"where the kernel path attaches: names with commas; auto = those that carry the media address"`
}

// CallFlow is how a call goes.
type CallFlow struct {
	RepRingTimeout      time.Duration `key:"rep_ring_timeout" default:"20s" min:"10s" max:"45s" doc:"from the first 18x: shorter than a voicemail's delay; a phone whose voicemail is known rings until 2 s before it"`
	Confirm             Confirm       `key:"confirm" doc:"the 1"`
	ProspectRingTimeout time.Duration `key:"prospect_ring_timeout" default:"45s" min:"10s" max:"120s" doc:"from the first 18x"`
	RingbackToRep       string        `key:"ringback_to_rep" default:"auto" doc:"auto | tone:us | tone:uk …| music:FILE; the prospect's own early media always goes first"`
	OutcomePrompts      bool          `key:"outcome_prompts" default:"true" doc:"tell the rep why the prospect was not reached"`
	MaxDuration         time.Duration `key:"max_duration" default:"2h" min:"30s" max:"4h" doc:"of a conversation"`
	OneCallPerRep       bool          `key:"one_call_per_rep" default:"true" doc:"refuse a second call with rep_busy"`
	RTPStart            time.Duration `key:"rtp_start" default:"400ms" min:"0s" max:"5s" doc:"the prompt starts 200 ms after the first RTP packet, or after this"`
}

// Confirm is the prompt and the key.
type Confirm struct {
	Digit          string        `key:"digit" default:"1" oneof:"0,1,2,3,4,5,6,7,8,9,*,#" doc:"to be pressed"`
	DeclineDigit   string        `key:"decline_digit" default:"2" oneof:",0,1,2,3,4,5,6,7,8,9,*,#" doc:"not now; empty = none"`
	Timeout        time.Duration `key:"timeout" default:"20s" min:"8s" max:"90s" doc:"from the prompt's first play; 45s at least where the rep's number has an extension"`
	Prompt         string        `key:"prompt" default:"builtin:en/press-1" doc:"builtin:NAME or a WAV: 8 kHz mono, 16-bit PCM or G.711"`
	Plays          int           `key:"plays" default:"3" min:"1" max:"10" doc:"with 2 s between them"`
	ReadBackNumber bool          `key:"read_back_number" default:"false" doc:"speak the prospect's number before the prompt"`
}

// Numbers says who may be dialled.
type Numbers struct {
	DefaultRegion string   `key:"default_region" required:"true" form:"^[A-Z]{2}$" doc:"ISO country, for numbers written without +"`
	Allow         []string `key:"allow" required:"true" form:"^\\+[1-9][0-9]*$" doc:"prefixes that may be dialled; nothing else is"`
	Deny          []string `key:"deny" form:"^\\+[1-9][0-9]*$" doc:"prefixes that may not, though allowed"`
	Emergency     string   `key:"emergency" default:"refuse" oneof:"refuse" doc:"emergency numbers are never dialled"`
}

// Policy says when and how often prospects are dialled.
type Policy struct {
	Countries         []string      `key:"countries" form:"^[A-Z]{2}$" doc:"whose numbers may be dialled, such as US; none = all that numbers.allow has"`
	Premium           string        `key:"premium" default:"refuse" oneof:"refuse,allow" doc:"refuse | allow premium-rate numbers"`
	CallWindow        string        `key:"call_window" doc:"such as 08:00-21:00 by the prospect's clock; empty = any time"`
	Attempts          Attempts      `key:"attempts" doc:"to one prospect"`
	RepCallsPerHour   int           `key:"rep_calls_per_hour" default:"0" min:"0" max:"100000" doc:"of one rep; 0 = any number"`
	KeyCallsPerMinute int           `key:"key_calls_per_minute" default:"0" min:"0" max:"100000" doc:"by one API key; 0 = any number"`
	DuplicateWindow   time.Duration `key:"duplicate_window" default:"3s" min:"0s" max:"10s" doc:"the same request again is the same call"`
}

// Attempts is how often a prospect may be dialled.
type Attempts struct {
	Max    int           `key:"max" default:"0" min:"0" max:"1000" doc:"0 = any number"`
	Within time.Duration `key:"within" default:"24h" min:"1h" max:"31d" doc:"within this time"`
}

// Trunk is one SIP trunk.
type Trunk struct {
	Preset              string            `key:"preset" default:"generic" doc:"fills everything below that is not set: a name, or a .yaml file of your own"`
	Host                string            `key:"host" required:"true" doc:"address or name"`
	Transport           string            `key:"transport" default:"udp" oneof:"udp,tcp,tls,auto" doc:"udp | tcp | tls | auto; auto = what NAPTR and SRV say"`
	Port                int               `key:"port" default:"0" min:"0" max:"65535" doc:"0 = what SRV says, else 5060, or 5061 for tls"`
	OutboundProxy       string            `key:"outbound_proxy" doc:"host or host:port that requests go to first, by a Route header; ;hide behind it leaves that out"`
	TLS                 TrunkTLS          `key:"tls" doc:"for transport tls"`
	Auth                Auth              `key:"auth" doc:"who we are there"`
	Register            Register          `key:"register" doc:"with auth.mode register"`
	Dial                Dial              `key:"dial" doc:"how numbers are dialled"`
	Identity            Identity          `key:"identity" doc:"who is calling"`
	CallerIDs           []string          `key:"caller_ids" e164:"true" doc:"numbers the trunk may show; the first is the default; required where a route has prospects called by it"`
	Codecs              []string          `key:"codecs" default:"pcmu,pcma" oneof:"pcmu,pcma,g722,opus" doc:"order of offer; g722, opus where both legs agree. The rep is always offered G.711 first, for the prompt"`
	DTMF                []string          `key:"dtmf" default:"rfc4733,inband,info" oneof:"rfc4733,inband,info" doc:"accepted at once"`
	TelephoneEventPT    int               `key:"telephone_event_pt" default:"101" min:"96" max:"127" doc:"payload type offered"`
	SRTP                string            `key:"srtp" default:"none" oneof:"none,optional,required" doc:"none | optional (SRTP where the far end agrees) | required; keys by SDES (RFC 4568)"`
	SessionTimer        SessionTimer      `key:"session_timer" doc:"RFC 4028"`
	Keepalive           Keepalive         `key:"keepalive" doc:"OPTIONS"`
	ReliableProvisional string            `key:"reliable_provisional" default:"accept" oneof:"none,accept,require" doc:"PRACK"`
	ExtraHeaders        map[string]string `key:"extra_headers" doc:"on each INVITE"`
	Limits              Limits            `key:"limits" doc:"how much it takes"`
	MediaFrom           []string          `key:"media_from" cidr:"true" doc:"networks RTP may come from; none = anywhere, learnt and then locked"`
}

// TrunkTLS is who a trunk must prove to be, and who we are to it.
type TrunkTLS struct {
	CAFile     string `key:"ca_file" doc:"PEM; a private authority; empty = the system's"`
	CertFile   string `key:"cert_file" doc:"PEM; ours, where the trunk asks for one"`
	KeyFile    string `key:"key_file" doc:"PEM; its key"`
	ServerName string `key:"server_name" doc:"the name in its certificate; empty = host"`
}

// Auth is who we are at a trunk.
type Auth struct {
	Mode     string `key:"mode" default:"ip" oneof:"ip,digest,register" doc:"ip | digest | register; register answers challenges to calls too"`
	Username string `key:"username" doc:"of digest"`
	Password string `key:"password" secret:"true" doc:"a reference: ${env:NAME}, ${file:PATH} or ${cred:NAME}"`
	Realm    string `key:"realm" doc:"answer only this realm; empty = any"`
}

// Register is a registration.
type Register struct {
	Expires     time.Duration `key:"expires" default:"10m" min:"1m" max:"24h" doc:"asked for"`
	ContactUser string        `key:"contact_user" doc:"user part of the Contact; empty = the username"`
}

// Dial is how numbers are written.
type Dial struct {
	Format string `key:"format" default:"e164_plus" oneof:"e164_plus,e164,national" doc:"e164_plus | e164 | national"`
	Prefix string `key:"prefix" doc:"put before it, e.g. a technical prefix"`
	Strip  string `key:"strip" doc:"taken from its front first"`
}

// Identity is who is calling.
type Identity struct {
	FromUser   string   `key:"from_user" default:"caller_id" doc:"caller_id | auth_user | fixed:NAME"`
	FromDomain string   `key:"from_domain" doc:"default: host"`
	Headers    []string `key:"headers" default:"p-asserted-identity" oneof:"p-asserted-identity,p-preferred-identity,remote-party-id,diversion" doc:"identity headers"`
	Format     string   `key:"format" default:"e164_plus" oneof:"e164_plus,e164,national" doc:"may differ from dial.format"`
	Privacy    string   `key:"privacy" default:"allowed" oneof:"allowed,id" doc:"allowed | id (hide)"`
}

// SessionTimer is RFC 4028's.
type SessionTimer struct {
	Mode    string        `key:"mode" default:"accept" oneof:"none,accept,request" doc:"none | accept what the far end asks for | request"`
	Expires time.Duration `key:"expires" default:"30m" min:"90s" max:"24h" doc:"Session-Expires"`
	MinSE   time.Duration `key:"min_se" default:"90s" min:"90s" max:"24h" doc:"Min-SE"`
}

// Keepalive is how a trunk is watched.
type Keepalive struct {
	Options      time.Duration `key:"options" default:"30s" min:"0s" max:"1h" doc:"between OPTIONS"`
	FailAfter    int           `key:"fail_after" default:"3" min:"1" max:"10" doc:"unanswered ones"`
	RecoverAfter int           `key:"recover_after" default:"2" min:"1" max:"10" doc:"answered ones"`
}

// Limits is how much a trunk takes.
type Limits struct {
	Channels   int     `key:"channels" default:"0" min:"0" max:"100000" doc:"calls at once; 0 = no limit"`
	CPS        float64 `key:"cps" default:"0" min:"0" max:"1000" doc:"INVITEs a second; 0 = no limit"`
	DailySpend string  `key:"daily_spend" doc:"an amount with its currency"`
}

// Route picks trunks for a leg.
type Route struct {
	Leg    string   `key:"leg" required:"true" oneof:"rep,prospect" doc:"rep | prospect"`
	Match  string   `key:"match" default:"*" form:"^(\\*|\\+[0-9]+|sip:[a-z0-9]([a-z0-9.-]*[a-z0-9])?)$" doc:"prefix of the number, or * for all; sip:HOST lets reps have desk phones there"`
	Trunks []string `key:"trunks" required:"true" doc:"tried in this order, the next only on 408, 5xx, silence or a transport error"`
}

// HTTP is the control API.
type HTTP struct {
	Listen         string    `key:"listen" default:"127.0.0.1:8080" doc:"restart to change"`
	PublicURL      string    `key:"public_url" doc:"for links"`
	TLS            TLS       `key:"tls" doc:"of the listener"`
	TrustedProxies []string  `key:"trusted_proxies" default:"127.0.0.1/32" cidr:"true" doc:"whose X-Forwarded-For is believed"`
	CORSOrigins    []string  `key:"cors_origins" doc:"browsers of your CRM"`
	RateLimit      RateLimit `key:"rate_limit" doc:"writes, per API key"`
	FrameAncestors []string  `key:"frame_ancestors" doc:"pages that may embed the dialer"`
	SignInURL      string    `key:"sign_in_url" form:"^(https?://[^\\s\"'<>]+)?$" doc:"of your backend, which sends a rep it knows on to a sign-in link"`
}

// RateLimit is a token bucket.
type RateLimit struct {
	PerSecond float64 `key:"per_second" default:"10" min:"0" max:"10000" doc:"0 = no limit"`
	Burst     int     `key:"burst" default:"20" min:"1" max:"10000" doc:"at once"`
}

// Metrics is Prometheus's listener.
type Metrics struct {
	Listen string      `key:"listen" default:"127.0.0.1:9464" doc:"its own; empty = none"`
	Auth   MetricsAuth `key:"auth" doc:"HTTP Basic"`
}

// MetricsAuth protects the metrics.
type MetricsAuth struct {
	Username     string `key:"username" doc:"empty = none"`
	PasswordHash string `key:"password_hash" doc:"bcrypt"`
}

// Store is the database.
type Store struct {
	URL        string        `key:"url" default:"sqlite:///var/lib/tandem/tandem.db" form:"^sqlite:///" doc:"sqlite:///PATH"`
	KeepCDRs   time.Duration `key:"keep_cdrs" default:"400d" min:"1d" max:"4000d" doc:"ended calls"`
	KeepEvents time.Duration `key:"keep_events" default:"72h" min:"1h" max:"4000d" doc:"for streams to resume"`
}

// Webhooks are events sent out.
type Webhooks struct {
	Timeout              time.Duration `key:"timeout" default:"15s" min:"1s" max:"60s" doc:"of one attempt"`
	AllowPrivateNetworks bool          `key:"allow_private_networks" default:"false" doc:"for a CRM on your own network"`
	DisableAfter         time.Duration `key:"disable_after" default:"120h" min:"1h" max:"1000h" doc:"of failure"`
}

// Rates are what calls cost.
type Rates struct {
	Currency string      `key:"currency" default:"USD" form:"^[A-Z]{3}$" doc:"ISO 4217"`
	File     string      `key:"file" doc:"CSV: prefix,per_minute,connection_fee,first_increment_s,next_increment_s"`
	Default  RateDefault `key:"default" doc:"where the file has no row"`
}

// RateDefault is the rate of any number.
type RateDefault struct {
	PerMinute      string        `key:"per_minute" default:"0.0130" form:"^[0-9]+(\\.[0-9]+)?$" doc:"decimal"`
	FirstIncrement time.Duration `key:"first_increment" default:"60s" min:"1s" max:"1h" doc:"billed at least"`
	NextIncrement  time.Duration `key:"next_increment" default:"60s" min:"1s" max:"1h" doc:"then rounded up to"`
}

// Log is the log.
type Log struct {
	Level   string `key:"level" default:"info" oneof:"debug,info,warn,error" doc:"debug | info | warn | error"`
	Format  string `key:"format" default:"json" oneof:"json,text" doc:"json | text"`
	Numbers string `key:"numbers" default:"masked" oneof:"masked,full,hashed" doc:"how telephone numbers appear"`
}

// Tracing is OpenTelemetry's.
type Tracing struct {
	OTLPEndpoint string  `key:"otlp_endpoint" doc:"empty = none"`
	SampleRatio  float64 `key:"sample_ratio" default:"1.0" min:"0" max:"1" doc:"of calls"`
}

// HEP is a Homer collector.
type HEP struct {
	Collector string `key:"collector" doc:"udp://HOST:9060; empty = none"`
	CaptureID int    `key:"capture_id" default:"2001" min:"0" max:"2147483647" doc:"ours"`
	Password  string `key:"password" secret:"true" doc:"a reference"`
}
