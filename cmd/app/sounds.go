package app

import (
	"fmt"
	"io"
	"os"
	"strings"

	"tandem/bridge"
	"tandem/config"
	"tandem/media"
	"tandem/media/prompts"
)

// why is what the rep is told of each reason, by prompt.
var why = map[bridge.Reason]string{
	bridge.ReasonProspectBusy:        "en/busy",
	bridge.ReasonProspectNoAnswer:    "en/no-answer",
	bridge.ReasonProspectInvalid:     "en/not-in-service",
	bridge.ReasonProspectDeclined:    "en/declined",
	bridge.ReasonBlockedByCallee:     "en/declined",
	bridge.ReasonBlockedByAnalytics:  "en/declined",
	bridge.ReasonProspectUnreachable: "en/unreachable",
	bridge.ReasonTrunkCongestion:     "en/lines-busy",
	bridge.ReasonQueueTimeout:        "en/lines-busy",
	bridge.ReasonProspectTrunk:       "en/call-failed",
	bridge.ReasonCallerIDRejected:    "en/call-failed",
	bridge.ReasonCodecRejected:       "en/call-failed",
	bridge.ReasonCanceledByRep:       "en/canceled",
	bridge.ReasonCanceledByAPI:       "en/canceled",

	bridge.Reason(bridge.CodeDestinationForbidden): "en/policy-refused",
	bridge.Reason(bridge.CodeEmergency):            "en/policy-refused",
	bridge.Reason(bridge.CodeSameNumber):           "en/policy-refused",
	bridge.Reason(bridge.CodePremium):              "en/policy-refused",
	bridge.Reason(bridge.CodeCountry):              "en/policy-refused",
	bridge.Reason(bridge.CodeDoNotCall):            "en/policy-refused",
	bridge.Reason(bridge.CodeOutsideWindow):        "en/policy-refused",
	bridge.Reason(bridge.CodeAttempts):             "en/policy-refused",
	bridge.Reason(bridge.CodeSpendLimit):           "en/policy-refused",
	bridge.Reason(bridge.CodeStoreUnavailable):     "en/call-failed",
}

// Prompt loads builtin:NAME, or a file, and refuses what is not fit to be played to
// somebody who is asked for a key.
func Prompt(name string) (media.Clip, error) {
	var file io.ReadCloser
	var err error
	if builtin, is := strings.CutPrefix(name, "builtin:"); is {
		file, err = prompts.Open(builtin)
	} else {
		file, err = os.Open(name)
	}
	if err != nil {
		return media.Clip{}, fmt.Errorf("prompt %s: %w", name, err)
	}
	defer file.Close()
	c, err := media.LoadWAV(file)
	if err != nil {
		return media.Clip{}, fmt.Errorf("prompt %s: %w", name, err)
	}
	if keys := c.Keys(); keys != "" {
		return media.Clip{}, fmt.Errorf("prompt %s: sounds like the keys %s, and its echo would press them; record it again, without tones", name, keys)
	}
	return c, nil
}

// loadSounds makes and loads all that the rep may hear.
func loadSounds(cfg *config.Config) (bridge.Sounds, error) {
	s := bridge.Sounds{Chirp: media.Chirp(), Tick: media.Tick(), Limit: media.Beep(), Wrong: media.ErrorTone(), Over: media.EndTone(),
		Why: make(map[bridge.Reason]media.Clip)}
	var err error
	if s.Prompt, err = Prompt(cfg.CallFlow.Confirm.Prompt); err != nil {
		return s, err
	}
	if s.Ringback, err = ringback(cfg); err != nil {
		return s, err
	}
	for reason, name := range why {
		spoken, err := Prompt("builtin:" + name)
		if err != nil {
			return s, err
		}
		s.Why[reason] = media.Concat(media.EndTone(), spoken)
	}
	intro, err := Prompt("builtin:en/calling")
	if err != nil {
		return s, err
	}
	var digits [10]media.Clip
	for i := range digits {
		if digits[i], err = Prompt(fmt.Sprintf("builtin:en/digits/%d", i)); err != nil {
			return s, err
		}
	}
	s.WhoIs = func(number string) media.Clip {
		said := []media.Clip{intro}
		for _, digit := range number[max(1, len(number)-4):] {
			said = append(said, digits[digit-'0'])
		}
		return media.Concat(said...)
	}
	return s, nil
}

// ringback is what the rep hears while the prospect's phone rings.
func ringback(cfg *config.Config) (media.Clip, error) {
	setting := cfg.CallFlow.RingbackToRep
	if setting == "auto" {
		return media.Ringback(strings.ToLower(cfg.Numbers.DefaultRegion)), nil
	}
	if country, is := strings.CutPrefix(setting, "tone:"); is {
		return media.Ringback(country), nil
	}
	if file, is := strings.CutPrefix(setting, "music:"); is {
		c, err := Prompt(file)
		return c.Loop(), err
	}
	return media.Clip{}, fmt.Errorf("call_flow.ringback_to_rep: %q is none of auto, tone:COUNTRY, music:FILE", setting)
}
