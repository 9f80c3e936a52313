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
	// AddressSource is the type of trusted sources that there is: an address or a block of them.
	AddressSource = "ip_addr"
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
	seen := map[netip.Prefix]bool{}
	for i, rule := range rules {
		prefix, err := checkRule(fmt.Sprintf("rules[%d]", i), rule)
		if err != nil {
			return nil, err
		}
		if seen[prefix] {
			continue
		}
		seen[prefix] = true
		source := store.TrustedSource{ID: rule.ID, Value: rule.Value, Description: rule.Description, CreatedAt: now}
		if old := slices.IndexFunc(before, func(s store.TrustedSource) bool { return s.Value == rule.Value }); old >= 0 {
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

func checkRule(field string, r SourceRule) (netip.Prefix, error) {
	const canonicalLength = 36
	switch {
	case r.Type != AddressSource:
		return netip.Prefix{}, invalid(field+".type", "must be %s: Tine knows addresses and nothing of what else DigitalOcean has; got %s",
			AddressSource, quote(r.Type))
	case r.ID != "" && (len(r.ID) != canonicalLength || uuid.Validate(r.ID) != nil):
		return netip.Prefix{}, invalid(field+".uuid", "must be a UUID or empty; got %s", quote(r.ID))
	case utf8.RuneCountInString(r.Description) > longestDescription || !utf8.ValidString(r.Description) || strings.ContainsRune(r.Description, 0):
		return netip.Prefix{}, invalid(field+".description", "must be a text of at most %d characters", longestDescription)
	}
	return checkAddress(field+".value", r.Value)
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
