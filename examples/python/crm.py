#!/usr/bin/env python3
"""A CRM in Python, with nothing but the standard library: see ../README.md."""

import base64
import hashlib
import hmac
import json
import os
import queue
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

URL = os.environ.get("TANDEM_URL", "http://127.0.0.1:8080")
KEY = os.environ["TANDEM_API_KEY"]
REP = os.environ.get("REP", "+12025550110")
PROSPECT = os.environ.get("PROSPECT", "+12025550100")
PORT = int(os.environ.get("HOOK_PORT", "9000"))


class Problem(Exception):
    """What Tandem answers when it refuses; its code never changes."""

    def __init__(self, answer):
        super().__init__(f"{answer['code']}: {answer.get('detail', answer['title'])}")
        self.code = answer["code"]


def send(method, path, body=None, **headers):
    """Makes a request, whose answer is read like a file."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers |= {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        return urllib.request.urlopen(urllib.request.Request(URL + path, data, headers, method=method))
    except urllib.error.HTTPError as refused:
        raise Problem(json.load(refused)) from None


def tandem(method, path, body=None, **headers):
    """Makes a request and reads its answer."""
    with send(method, path, body, **headers) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def follow(call):
    """Yields the events of a call until its last. A stream that breaks goes on
    after the event that was seen last."""
    last = ""
    while True:
        with send("GET", f"/v1/calls/{call}/events", Accept="text/event-stream", Last_Event_ID=last) as stream:
            for line in stream:
                field, _, value = line.decode().rstrip("\n").partition(": ")
                if field == "id":
                    last = value
                elif field == "data":
                    event = json.loads(value)
                    yield event
                    if event["type"] == "call.ended":
                        return
        time.sleep(2)


def signed(secret, headers, body):
    """Checks a signature of the Standard Webhooks specification. While the secret
    is being rotated there are two."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > 300:
        return False
    content = f"{headers.get('webhook-id')}.{timestamp}.".encode() + body
    ours = "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return any(hmac.compare_digest(ours.encode(), theirs.encode())
               for theirs in headers.get("webhook-signature", "").split(" "))


def receiver(secret, events):
    """Takes webhooks that are signed by the secret, and hands them on. A CRM writes
    the event down before it answers: what was taken does not come again."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if signed(secret, self.headers, body):
                events.put(json.loads(body))
                self.send_response(204)
            else:
                self.send_response(401)
            self.end_headers()

        def log_message(self, *_):
            pass

    return Receiver


def main():
    # 1. Webhooks: the secret is shown this once.
    address = f"http://127.0.0.1:{PORT}/hook"
    endpoint = tandem("POST", "/v1/webhook-endpoints", {"url": address, "types": ["call.ended"]})
    events = queue.Queue()
    server = ThreadingHTTPServer(("127.0.0.1", PORT), receiver(endpoint["secret"], events))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("Webhooks come to", address, flush=True)
    try:
        integrate(events)
    finally:
        tandem("DELETE", f"/v1/webhook-endpoints/{endpoint['id']}")


def integrate(events):
    # 2. The rep, under the id the CRM knows them by, and their phone.
    try:
        tandem("POST", "/v1/reps", {"external_id": "crm-user-7", "name": "Ana Ruiz"})
    except Problem as problem:
        if problem.code != "external_id_taken":  # Tandem knows them already
            raise
    ana = tandem("PATCH", "/v1/reps/ext:crm-user-7", {"pass_through": {"number": REP, "enabled": True}})
    print(f"{ana['name']}'s phone is {ana['pass_through']['number_display']}")

    # 3. What it costs, before the click. No price: the trunk has no rates.
    quote = tandem("GET", "/v1/quote?" + urllib.parse.urlencode({"rep_id": "ext:crm-user-7", "to": PROSPECT}))
    print(f"A call to {quote['to_display']} costs {quote['total_per_minute']} {quote['currency']} a minute")

    # 4. The call. The same key again would answer with the same call.
    wanted = {"rep_external_id": "crm-user-7", "to": PROSPECT, "contact_name": "Jane Doe", "metadata": {"crm_id": "0034600001"}}
    call = tandem("POST", "/v1/calls", wanted, Idempotency_Key=str(uuid.uuid4()))
    print(call["id"], "is placed")

    # 5. What happens, while it happens.
    for event in follow(call["id"]):
        print(f"{event['type']}  {event['data']['banner']['text']}", flush=True)

    # 6. The webhook has the last word, and comes again until it was taken.
    while (event := events.get())["data"]["id"] != call["id"]:
        pass
    print(f"Webhook: {event['type']}, {event['data']['outcome']}")
    noted = tandem("PATCH", f"/v1/calls/{call['id']}", {"disposition": "interested", "notes": "Send the offer"})
    print("Noted:", noted["disposition"])


if __name__ == "__main__":
    main()
