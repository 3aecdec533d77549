package dtmf

import (
	"bytes"
	"fmt"
	"mime"
	"strconv"
	"strings"
	"time"
)

// ParseInfo reads the body of a SIP INFO that carries a key: application/dtmf-relay
// ("Signal=1", "Duration=160" in milliseconds) or application/dtmf (the bare
// key). held is 0 when the body does not say.
func ParseInfo(contentType string, body []byte) (digit byte, held time.Duration, err error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return 0, 0, fmt.Errorf("content type: %w", err)
	}
	switch kind {
	case "application/dtmf":
		digit, err = parseKey(string(bytes.TrimSpace(body)))
		return digit, 0, err
	case "application/dtmf-relay":
		return parseRelay(body)
	default:
		return 0, 0, fmt.Errorf("content type %q carries no key", kind)
	}
}

func parseRelay(body []byte) (digit byte, held time.Duration, err error) {
	for line := range bytes.Lines(body) {
		name, value, _ := strings.Cut(string(line), "=")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "signal":
			if digit, err = parseKey(value); err != nil {
				return 0, 0, err
			}
		case "duration":
			if ms, err := strconv.ParseUint(value, 10, 16); err == nil {
				held = time.Duration(ms) * time.Millisecond
			}
		}
	}
	if digit == 0 {
		return 0, 0, fmt.Errorf("no Signal line")
	}
	return digit, held, nil
}

// parseKey takes a key, or its event code (10 = *, 11 = #), which some phones send.
func parseKey(text string) (byte, error) {
	if len(text) == 1 {
		key := strings.ToUpper(text)[0]
		if _, ok := Code(key); ok {
			return key, nil
		}
	}
	if code, err := strconv.ParseUint(text, 10, 8); err == nil && len(text) == 2 {
		if key, ok := Digit(uint8(code)); ok && code >= 10 {
			return key, nil
		}
	}
	return 0, fmt.Errorf("%.10q is no key", text)
}
