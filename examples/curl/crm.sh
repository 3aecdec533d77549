#!/usr/bin/env bash
# A CRM in a shell script: see ../README.md. Needs curl, jq, openssl and socat.
set -euo pipefail
url=${TANDEM_URL:-http://127.0.0.1:8080}
port=${HOOK_PORT:-9000}
rep=${REP:-+12025550110}
prospect=${PROSPECT:-+12025550100}

# receive answers one webhook, which socat gives it on standard input. Only an event
# that is signed with our secret, now, is taken; it is written down before the answer.
receive() {
	local id='' timestamp=0 signatures='' length=0 body key signature age
	read -r _request
	while read -r line && line=${line%$'\r'} && [ -n "$line" ]; do
		case ${line,,} in
		webhook-id:*) id=${line#*: } ;;
		webhook-timestamp:*) timestamp=${line#*: } ;;
		webhook-signature:*) signatures=${line#*: } ;;
		content-length:*) length=${line#*: } ;;
		esac
	done
	# In arithmetic the shell would run what a stranger sent.
	[[ $timestamp =~ ^[0-9]{1,11}$ && $length =~ ^[0-9]{1,6}$ ]] || timestamp=0 length=0
	LC_ALL=C IFS= read -r -N "$length" body || true
	key=$(jq -r .secret "$state/endpoint" | cut -d_ -f2 | base64 -d | od -An -v -tx1 | tr -d ' \n')
	signature=$(printf %s "$id.$timestamp.$body" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)
	age=$(($(date +%s) - 10#$timestamp))
	# While the secret is being rotated there are two signatures.
	if [[ " $signatures " == *" v1,$signature "* ]] && ((${age#-} < 300)); then
		printf %s "$body" >"$state/event.part" && mv "$state/event.part" "$state/event"
		printf 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'
	else
		printf 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
	fi
}
if [ "${1:-}" = receive ]; then
	receive
	exit
fi

# tandem METHOD PATH [BODY] is one request. What Tandem refuses, it explains.
tandem() {
	local method=$1 path=$2 body=${3:-}
	shift $(($# < 3 ? $# : 3))
	curl -sS --fail-with-body -u "$TANDEM_API_KEY:" -X "$method" "$url$path" ${body:+-H 'Content-Type: application/json' -d "$body"} "$@" ||
		{ echo "tandem refused $method $path" >&2; return 1; }
}

# 1. Webhooks: the secret is shown this once.
state=$(mktemp -d)
export state
tandem POST /v1/webhook-endpoints "{\"url\": \"http://127.0.0.1:$port/hook\", \"types\": [\"call.ended\"]}" >"$state/endpoint" ||
	{ cat "$state/endpoint" >&2; exit 1; }
socat "tcp-listen:$port,bind=127.0.0.1,reuseaddr,fork" "exec:$0 receive" &
trap 'kill $!; tandem DELETE "/v1/webhook-endpoints/$(jq -r .id "$state/endpoint")"; rm -r "$state"' EXIT
echo "Webhooks come to http://127.0.0.1:$port/hook"

# 2. The rep, under the id the CRM knows them by, and their phone.
tandem GET '/v1/reps?external_id=crm-user-7' >"$state/reps"
if [ "$(jq '.data | length' "$state/reps")" = 0 ]; then
	tandem POST /v1/reps '{"external_id": "crm-user-7", "name": "Ana Ruiz"}' >/dev/null
fi
tandem PATCH /v1/reps/ext:crm-user-7 "{\"pass_through\": {\"number\": \"$rep\", \"enabled\": true}}" |
	jq -r '"\(.name)\u0027s phone is \(.pass_through.number_display)"'

# 3. What it costs, before the click. No price: the trunk has no rates.
tandem GET "/v1/quote?rep_id=ext:crm-user-7&to=${prospect/+/%2B}" |
	jq -r '"A call to \(.to_display) costs \(.total_per_minute // "-") \(.currency // "") a minute"'

# 4. The call. The same key again would answer with the same call.
id=$(tandem POST /v1/calls "{\"rep_external_id\": \"crm-user-7\", \"to\": \"$prospect\", \"contact_name\": \"Jane Doe\", \"metadata\": {\"crm_id\": \"0034600001\"}}" \
	-H "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)" | jq -r .id)
echo "$id is placed"

# 5. What happens, while it happens. The stream ends with the call.
tandem GET "/v1/calls/$id/events" '' -N -H 'Accept: text/event-stream' |
	sed -un 's/^data: //p' | jq -r --unbuffered '"\(.type)  \(.data.banner.text)"'

# 6. The webhook has the last word, and comes again until it was taken.
until [ -e "$state/event" ]; do sleep 0.2; done
[ "$(jq -r .data.id "$state/event")" = "$id" ]
echo "Webhook: $(jq -r '"\(.type), \(.data.outcome)"' "$state/event")"
tandem PATCH "/v1/calls/$id" '{"disposition": "interested", "notes": "Send the offer"}' | jq -r '"Noted: \(.disposition)"'
