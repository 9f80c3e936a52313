package fleet

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"tine/internal/catalog"
	"tine/internal/store"
)

const (
	shortestName, longestName = 3, 63
	longestTag                = 255
	engine                    = "mongodb"
)

// checkName refuses names that are malformed or taken.
func (f *Fleet) checkName(ctx context.Context, name string) error {
	const rule = "must be 3 to 63 characters of lower-case letters, digits, hyphens and periods"
	if name == "" {
		return invalid("name", rule+"; it is missing")
	}
	if wrong := foreign(name, isNameCharacter); wrong != "" {
		return invalid("name", rule+"; %s has %s", quote(name), wrong)
	}
	if n := utf8.RuneCountInString(name); n < shortestName || n > longestName {
		return invalid("name", rule+"; %s has %s", quote(name), characters(n))
	}
	existing, err := f.cfg.Store.ClusterByName(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if existing.Status == store.StatusDestroying {
		return invalid("name", "must be unique; the cluster %s is still being destroyed and has it until that is complete", quote(name))
	}
	return nameTaken(name)
}

func nameTaken(name string) *Error {
	return invalid("name", "must be unique; there is a cluster %s already", quote(name))
}

func (f *Fleet) checkRegion(region string) error {
	if _, ok := f.cfg.Catalog.Region(region); !ok {
		return oneOf("region", region, names(f.cfg.Catalog.Regions, func(r catalog.Region) string { return r.Slug }))
	}
	return nil
}

// checkAttributes refuses what is not in the catalog, and fills in what has a default.
func (f *Fleet) checkAttributes(c *store.Cluster) error {
	if c.Engine != engine {
		return invalid("engine", "must be mongodb; got %s", quote(c.Engine))
	}
	if c.Version == "" {
		c.Version = f.cfg.Catalog.DefaultVersion
	}
	if _, ok := f.cfg.Catalog.Version(c.Version); !ok {
		return oneOf("version", c.Version, names(f.cfg.Catalog.Versions, func(v catalog.Version) string { return v.Version }))
	}
	if err := f.checkRegion(c.Region); err != nil {
		return err
	}
	if !slices.Contains(f.cfg.Catalog.NodeCounts, c.NumNodes) {
		counts := names(f.cfg.Catalog.NodeCounts, func(n int) string { return fmt.Sprint(n) })
		return invalid("num_nodes", "must be %s in this release; got %d", strings.Join(counts, " or "), c.NumNodes)
	}
	if err := f.checkStorage(c); err != nil {
		return err
	}
	if err := checkTags(c); err != nil {
		return err
	}
	return checkIDs(c)
}

func (f *Fleet) checkStorage(c *store.Cluster) error {
	plan, ok := f.cfg.Catalog.Plan(c.Size)
	if !ok {
		return oneOf("size", c.Size, names(f.cfg.Catalog.Plans, func(p catalog.Plan) string { return p.Slug }))
	}
	if c.StorageMiB == 0 {
		c.StorageMiB = plan.MinStorageMiB
	}
	if c.StorageMiB < plan.MinStorageMiB || c.StorageMiB > plan.MaxStorageMiB || c.StorageMiB != f.onStep(plan, c.StorageMiB) {
		return invalid("storage_size_mib", "must be between %d and %d for plan %s, in steps of %d; got %d",
			plan.MinStorageMiB, plan.MaxStorageMiB, plan.Slug, f.cfg.Catalog.StorageStepMiB, c.StorageMiB)
	}
	return nil
}

// onStep is the smallest storage that the plan offers and that is at least mib.
func (f *Fleet) onStep(plan catalog.Plan, mib int64) int64 {
	step := f.cfg.Catalog.StorageStepMiB
	beyond := max(mib-plan.MinStorageMiB, 0)
	return plan.MinStorageMiB + (beyond+step-1)/step*step
}

func checkTags(c *store.Cluster) error {
	for _, tag := range c.Tags {
		if err := checkTag("tags", tag); err != nil {
			return err
		}
	}
	// A tag is there or not; twice means nothing.
	c.Tags = slices.Clone(c.Tags)
	slices.Sort(c.Tags)
	c.Tags = slices.Compact(c.Tags)
	return nil
}

func characters(n int) string {
	if n == 1 {
		return "1 character"
	}
	return strconv.Itoa(n) + " characters"
}

func checkTag(field, tag string) error {
	const rule = "must have 1 to 255 letters, digits, colons, hyphens and underscores each"
	if wrong := foreign(tag, isTagCharacter); wrong != "" {
		return invalid(field, rule+"; %s has %s", quote(tag), wrong)
	}
	if n := utf8.RuneCountInString(tag); n == 0 || n > longestTag {
		return invalid(field, rule+"; %s has %s", quote(tag), characters(n))
	}
	return nil
}

func checkIDs(c *store.Cluster) error {
	for _, id := range []struct{ field, value string }{
		{"project_id", c.ProjectID}, {"private_network_uuid", c.PrivateNetworkUUID},
	} {
		const canonicalLength = 36
		if id.value != "" && (len(id.value) != canonicalLength || uuid.Validate(id.value) != nil) {
			return invalid(id.field, "must be a UUID or empty; got %s", quote(id.value))
		}
	}
	return nil
}

// majorVersion is what a version's user means: DigitalOcean's documents write 8.0 where their API says 8.
func majorVersion(version string) string {
	if m := majorAndZero.FindStringSubmatch(version); m != nil {
		return m[1]
	}
	return version
}

var majorAndZero = regexp.MustCompile(`^([0-9]+)\.0$`)

// oneOf refuses a value with a list of what there is.
func oneOf(field, got string, possible []string) *Error {
	if got == "" {
		return invalid(field, "must be one of %s; it is missing", strings.Join(possible, ", "))
	}
	return invalid(field, "must be one of %s; got %s", strings.Join(possible, ", "), quote(got))
}

func names[T any](list []T, name func(T) string) []string {
	out := make([]string, len(list))
	for i, item := range list {
		out[i] = name(item)
	}
	return out
}

// foreign lists the characters of s that are not allowed, each once, as they read in a sentence.
func foreign(s string, allowed func(rune) bool) string {
	const most = 5
	var wrong []string
	for _, r := range s {
		shown := fmt.Sprintf("%q", string(r))
		if !allowed(r) && !slices.Contains(wrong, shown) {
			wrong = append(wrong, shown)
		}
	}
	if len(wrong) > most {
		wrong = append(wrong[:most], "others")
	}
	if len(wrong) < 2 {
		return strings.Join(wrong, "")
	}
	return strings.Join(wrong[:len(wrong)-1], ", ") + " and " + wrong[len(wrong)-1]
}

func isNameCharacter(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.'
}

func isTagCharacter(r rune) bool {
	return isNameCharacter(r) && r != '.' || r >= 'A' && r <= 'Z' || r == ':' || r == '_'
}
