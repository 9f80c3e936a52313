package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// AuditRecord is a change that somebody asked for.
type AuditRecord struct {
	ID                 int64
	At                 time.Time
	TokenID, TokenName string
	Remote             string // address that the request came from
	RequestID          string
	Action             string // method and pattern of the path
	Path               string
	ClusterID          string        // that it is about, or that it made; empty if there is none
	Outcome            *AuditOutcome // nil: the change was interrupted, and may have happened

	// InStore says that the change begins with a commit to the store: when that is on the disk the record is, too, so that it need not be waited for. It is not read back.
	InStore bool
}

// AuditOutcome is how a change ended.
type AuditOutcome struct {
	At        time.Time
	Status    int    // of the answer
	Message   string // of an error; else empty
	ClusterID string // that was made; else empty
}

// AuditPage is one page of the audit log, newest first.
type AuditPage struct {
	ClusterID string // empty: of all
	Before    int64  // only records with a smaller id; 0: from the newest on
	Size      int
}

// BeginAudit writes that a change is about to be tried, and returns the record's id.
func (s *Store) BeginAudit(ctx context.Context, r AuditRecord) (id int64, err error) {
	row := s.pool.QueryRow(ctx, `INSERT INTO tine.audit (at, token_id, token_name, remote, request_id, action, path, cluster_id)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE NOT $9 OR `+lazyCommit+` RETURNING id`,
		micros(r.At), r.TokenID, r.TokenName, r.Remote, r.RequestID, r.Action, r.Path, uuidOrNull(r.ClusterID), r.InStore)
	if err := row.Scan(&id); err != nil {
		return 0, fmt.Errorf("write audit log: %w", err)
	}
	return id, nil
}

// EndAudit writes how the change ended. A crash of the database right after it may lose that: what is without an outcome may have happened.
func (s *Store) EndAudit(ctx context.Context, id int64, o AuditOutcome) error {
	_, err := s.pool.Exec(ctx, "INSERT INTO tine.audit_outcomes (audit_id, at, status, message, cluster_id) SELECT $1, $2, $3, $4, $5 WHERE "+lazyCommit,
		id, micros(o.At), o.Status, o.Message, uuidOrNull(o.ClusterID))
	if err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

// Audit returns one page of the audit log.
func (s *Store) Audit(ctx context.Context, page AuditPage) ([]AuditRecord, error) {
	if page.ClusterID != "" && !isUUID(page.ClusterID) {
		return nil, nil
	}
	rows, err := s.pool.Query(ctx, `SELECT a.id, a.at, a.token_id, a.token_name, a.remote, a.request_id, a.action, a.path,
			coalesce(a.cluster_id::text, ''), o.at, o.status, o.message, o.cluster_id
		FROM tine.audit a LEFT JOIN tine.audit_outcomes o ON o.audit_id = a.id
		WHERE ($1::uuid IS NULL OR a.cluster_id = $1 OR a.id IN (SELECT audit_id FROM tine.audit_outcomes WHERE cluster_id = $1))
			AND ($2 = 0 OR a.id < $2)
		ORDER BY a.id DESC LIMIT $3`, uuidOrNull(page.ClusterID), page.Before, page.Size)
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanAudit)
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	return list, nil
}

func scanAudit(row pgx.CollectableRow) (AuditRecord, error) {
	var (
		r                AuditRecord
		at               *time.Time
		status           *int
		message, cluster *string
	)
	err := row.Scan(&r.ID, &r.At, &r.TokenID, &r.TokenName, &r.Remote, &r.RequestID, &r.Action, &r.Path, &r.ClusterID,
		&at, &status, &message, &cluster)
	r.At = r.At.UTC()
	if err != nil || at == nil {
		return r, err
	}
	r.Outcome = &AuditOutcome{At: at.UTC(), Status: *status, Message: *message}
	if cluster != nil {
		r.Outcome.ClusterID = *cluster
		r.ClusterID = *cluster
	}
	return r, nil
}

func uuidOrNull(id string) *string {
	if !isUUID(id) {
		return nil
	}
	return &id
}
