package bridge

import (
	"context"
	"maps"
)

// Patch is what the CRM writes onto a call, live or ended. What is nil stays.
type Patch struct {
	Metadata    map[string]*string `json:"metadata,omitempty"` // nil value = removed
	Disposition *string            `json:"disposition,omitempty"`
	Notes       *string            `json:"notes,omitempty"`
}

// maxMetadata is how many keys a call's metadata may have.
const maxMetadata = 20

// patch applies p, and touches nothing that another copy of r shares.
func (r *Record) patch(p *Patch) {
	metadata := maps.Clone(r.Metadata)
	for key, value := range p.Metadata {
		switch {
		case value == nil:
			delete(metadata, key)
		case metadata == nil:
			metadata = map[string]string{key: *value}
		default:
			metadata[key] = *value
		}
	}
	r.Metadata = metadata
	if p.Disposition != nil {
		r.Disposition = *p.Disposition
	}
	if p.Notes != nil {
		r.Notes = *p.Notes
	}
}

// Check refuses a Patch that would make r's metadata too large.
func (p *Patch) Check(r Record) error {
	if r.patch(p); len(r.Metadata) > maxMetadata {
		return &Refusal{Code: CodeValidation, Field: "metadata", Detail: "With these the call would have more than 20 keys."}
	}
	return nil
}

// Annotate writes onto a live call; CodeNotFound says that it is not up.
func (b *Bridge) Annotate(ctx context.Context, id string, p Patch) (Record, error) {
	c, err := b.find(id)
	if err != nil {
		return Record{}, err
	}
	if err := p.Check(c.get()); err != nil {
		return Record{}, err
	}
	if err := c.emit(ctx, Event{Type: CallUpdated, Patch: &p}); err != nil {
		c.log.Error("bridge: event not kept yet", "err", err)
	}
	return c.get(), nil
}
