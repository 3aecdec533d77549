package api

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"time"

	"tandem/store"
)

// sign is one signature of the Standard Webhooks specification: over the
// message's id, the attempt's time and the body, joined by dots.
func sign(scheme string, secret []byte, id string, at time.Time, body []byte) string {
	content := append([]byte(id+"."+strconv.FormatInt(at.Unix(), 10)+"."), body...)
	var signature []byte
	if scheme == "v1a" {
		signature = ed25519.Sign(ed25519.NewKeyFromSeed(secret), content)
	} else {
		mac := hmac.New(sha256.New, secret)
		mac.Write(content)
		signature = mac.Sum(nil)
	}
	return scheme + "," + base64.StdEncoding.EncodeToString(signature)
}

// SignWebhook sets the headers of one attempt. While a secret is being rotated
// both sign.
func SignWebhook(header http.Header, e *store.Endpoint, id string, at time.Time, body []byte) {
	signature := sign(e.Scheme, e.Secret, id, at, body)
	if at.Before(e.OldUntil) {
		signature += " " + sign(e.Scheme, e.OldSecret, id, at, body)
	}
	header.Set("Content-Type", "application/json")
	header.Set("Webhook-Id", id)
	header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	header.Set("Webhook-Signature", signature)
}

// publicKey is what receivers of v1a verify with, "" for v1.
func publicKey(e *store.Endpoint) string {
	if e.Scheme != "v1a" {
		return ""
	}
	key, _ := ed25519.NewKeyFromSeed(e.Secret).Public().(ed25519.PublicKey)
	return "whpk_" + base64.StdEncoding.EncodeToString(key)
}
