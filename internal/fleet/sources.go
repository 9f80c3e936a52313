package fleet

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"tine/internal/store"
)

const (
	mostSources        = 100
	longestDescription = 255
	longestValue       = 255
)

// SourceRule asks for a trusted source, as DigitalOcean's API does.
type SourceRule struct {
	ID          string // empty: a new one
	Type        string
	Value       string
	Description string
}

// SetTrustedSources replaces who may connect to a cluster; without any rule everybody may. Open connections from addresses that are
// no longer trusted are closed soon after it returns.
func (f *Fleet) SetTrustedSources(ctx context.Context, id string, rules []SourceRule) error {
	c, err := f.Get(ctx, id)
	if err != nil {
		return err
	}
	sources, err := f.checkSources(rules, c.TrustedSources, f.cfg.Clock())
	if err != nil {
		return err
	}
	return notFound(f.cfg.Store.SetTrustedSources(ctx, id, sources), id)
}

// checkSources turns rules into trusted sources. One that was there before keeps its id and its time; one that comes twice counts once.
func (f *Fleet) checkSources(rules []SourceRule, before []store.TrustedSource, now time.Time) ([]store.TrustedSource, error) {
	if len(rules) > mostSources {
		return nil, invalid("rules", "must be at most %d; got %d", mostSources, len(rules))
	}
	sources := []store.TrustedSource{}
	seen := map[string]bool{}
	for i, rule := range rules {
		same, err := checkRule(fmt.Sprintf("rules[%d]", i), rule)
		if err != nil {
			return nil, err
		}
		if seen[same] {
			continue
		}
		seen[same] = true
		source := store.TrustedSource{ID: rule.ID, Type: rule.Type, Value: rule.Value, Description: rule.Description, CreatedAt: now}
		if old := slices.IndexFunc(before, func(s store.TrustedSource) bool { return s.Value == rule.Value && s.Type == rule.Type }); old >= 0 {
			source.ID, source.CreatedAt = before[old].ID, before[old].CreatedAt
		}
		sources = append(sources, source)
	}
	return sources, f.identify(sources)
}

// identify gives an id to each source that has none, or that of another.
func (f *Fleet) identify(sources []store.TrustedSource) error {
	taken := map[string]bool{}
	for i := range sources {
		if id := sources[i].ID; id == "" || taken[id] {
			made, err := uuid.NewRandomFromReader(f.cfg.Random)
			if err != nil {
				return fmt.Errorf("make id: %w", err)
			}
			sources[i].ID = made.String()
		}
		taken[sources[i].ID] = true
	}
	return nil
}

// checkRule returns what is the same for two rules that mean the same.
func checkRule(field string, r SourceRule) (same string, err error) {
	const canonicalLength = 36
	types := []string{store.AddressSource, "tag", "droplet", "k8s", "app"}
	switch {
	case !slices.Contains(types, r.Type):
		return "", oneOf(field+".type", r.Type, types)
	case r.ID != "" && (len(r.ID) != canonicalLength || uuid.Validate(r.ID) != nil):
		return "", invalid(field+".uuid", "must be a UUID or empty; got %s", quote(r.ID))
	case utf8.RuneCountInString(r.Description) > longestDescription || !utf8.ValidString(r.Description) || strings.ContainsRune(r.Description, 0):
		return "", invalid(field+".description", "must be a text of at most %d characters", longestDescription)
	case r.Type == store.AddressSource:
		prefix, err := checkAddress(field+".value", r.Value)
		return prefix.String(), err
	case r.Value == "" || len(r.Value) > longestValue || !utf8.ValidString(r.Value) || strings.ContainsRune(r.Value, 0):
		return "", invalid(field+".value", "must be a text of 1 to %d characters", longestValue)
	}
	return r.Type + ":" + r.Value, nil
}

// checkAddress reads an address or a block. It takes one spelling of each, so that nobody trusts more, or other, than he meant.
func checkAddress(field, value string) (netip.Prefix, error) {
	prefix, err := store.TrustedSource{Value: value}.Prefix()
	switch {
	case err != nil:
		return prefix, invalid(field, "must be an IP address or a CIDR block, such as 192.0.2.7 or 192.0.2.0/24; got %s", quote(value))
	case prefix.Addr().Is4In6():
		return prefix, invalid(field, "must be an IPv4 address as such, like %s; got %s", prefix.Addr().Unmap(), quote(value))
	case prefix != prefix.Masked():
		return prefix, invalid(field, "must be one address, %s, or the block that has it, %s; got %s", prefix.Addr(), prefix.Masked(), quote(value))
	}
	return prefix, nil
}
