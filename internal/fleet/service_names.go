package fleet

import (
	"context"
	"regexp"
)

const (
	fieldServiceNames  = "do_settings.service_cnames"
	mostServiceNames   = 16
	longestServiceName = 253
)

var serviceNameForm = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)+$`)

// SetServiceNames replaces the names that clients reach a cluster by, beside the gateway's own. Making them lead there is their owner's matter.
func (f *Fleet) SetServiceNames(ctx context.Context, clusterID string, names []string) error {
	if _, err := f.Get(ctx, clusterID); err != nil {
		return err
	}
	if err := checkServiceNames(names); err != nil {
		return err
	}
	return notFound(f.cfg.Store.SetServiceNames(ctx, clusterID, names), clusterID)
}

func checkServiceNames(names []string) error {
	if len(names) > mostServiceNames {
		return invalid(fieldServiceNames, "must have at most %d names; got %d", mostServiceNames, len(names))
	}
	for _, name := range names {
		if len(name) > longestServiceName || !serviceNameForm.MatchString(name) {
			return invalid(fieldServiceNames, "must be names such as db.example.com, of at most %d characters; got %s", longestServiceName, quote(name))
		}
	}
	return nil
}
