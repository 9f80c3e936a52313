package fleet

import (
	"context"

	"tine/internal/store"
)

// Record writes to the audit log that somebody is about to change something, before it is tried. The caller hands the outcome to
// end, whatever it is; a change whose process dies before has no outcome in the log.
func (f *Fleet) Record(ctx context.Context, r store.AuditRecord) (end func(store.AuditOutcome) error, err error) {
	r.At = f.cfg.Clock()
	id, err := f.cfg.Store.BeginAudit(ctx, r)
	if err != nil {
		return nil, err
	}
	return func(o store.AuditOutcome) error {
		o.At = f.cfg.Clock()
		// What was done was done, also if the client has left.
		return f.cfg.Store.EndAudit(context.WithoutCancel(ctx), id, o)
	}, nil
}

// Audit returns one page of the audit log, newest first.
func (f *Fleet) Audit(ctx context.Context, page store.AuditPage) ([]store.AuditRecord, error) {
	return f.cfg.Store.Audit(ctx, page)
}
