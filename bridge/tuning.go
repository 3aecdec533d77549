package bridge

import (
	"time"

	"tandem/media"
)

// tuning is what may change while the Bridge runs. A call keeps the tuning it
// has begun with.
type tuning struct {
	Limits Limits
	Sounds Sounds

	asking   media.Clip // the prompt with the gap after it
	delay    media.Clip // before its first play
	openLine media.Clip // after its last
}

// Retune gives calls that begin from now on other limits and sounds.
func (b *Bridge) Retune(limits Limits, sounds Sounds) {
	b.tuned.Store(&tuning{
		Limits: limits, Sounds: sounds,
		asking:   media.Concat(sounds.Prompt, media.Silence(limits.PromptGap)),
		delay:    media.Silence(limits.PromptDelay),
		openLine: media.Silence(time.Second).Loop(),
	})
}
