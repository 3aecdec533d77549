package app

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/dtmf"
	"tandem/media"
)

// TestNoSoundOfOursHoldsAKey: what we play may come back as an echo.
func TestNoSoundOfOursHoldsAKey(t *testing.T) {
	spoken := 0
	err := fs.WalkDir(os.DirFS("../../media/prompts"), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".wav") {
			return err
		}
		spoken++
		_, err = Prompt("builtin:" + strings.TrimSuffix(name, ".wav"))
		return err
	})
	if err != nil || spoken < 20 {
		t.Errorf("%d prompts: %v", spoken, err)
	}
	for name, c := range map[string]media.Clip{
		"chirp": media.Chirp(), "tick": media.Tick(), "beep": media.Beep(), "end": media.EndTone(), "error": media.ErrorTone(),
		"us": media.Ringback("us"), "gb": media.Ringback("gb"), "de": media.Ringback("de"), "fr": media.Ringback("fr"), "jp": media.Ringback("jp"),
	} {
		if keys := c.Keys(); keys != "" {
			t.Errorf("%s holds %q", name, keys)
		}
	}
}

func TestAPromptThatPressesKeysIsRefused(t *testing.T) {
	var wav []byte
	for _, x := range dtmf.AppendTone(nil, '1', 100*time.Millisecond, -12) {
		wav = append(wav, byte(x), byte(x>>8))
	}
	header := "RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\xff\xff\xff\x7f"
	name := filepath.Join(t.TempDir(), "prompt.wav")
	if err := os.WriteFile(name, append([]byte(header), wav...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Prompt(name); err == nil || !strings.Contains(err.Error(), "keys 1") {
		t.Errorf("loaded: %v", err)
	}
}
