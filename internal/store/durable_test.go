package store_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

// What somebody relies on is on the disk when the call returns; what is not waited for is when the next such call returns.
func TestWhatIsReliedOnIsOnTheDisk(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := mustOnline(t, s, newCluster(1))
	point := store.RestorePoint{ClusterID: c.ID, Volume: "v", StartedAt: time.Now(), CompletedAt: time.Now()}
	record := store.AuditRecord{At: time.Now(), TokenID: uuid.NewString(), Action: "POST /v2/databases"}
	lazily := record
	lazily.InStore = true
	for name, write := range map[string]func() error{
		"a creation":                         func() error { _, err := s.CreateCluster(t.Context(), newCluster(2), anyPort); return err },
		"a restore point":                    func() error { _, err := s.AddRestorePoint(t.Context(), point); return err },
		"a change that is about to be tried": func() error { _, err := s.BeginAudit(t.Context(), record); return err },
		"a first restore point, then that its cluster is online": func() error {
			made := mustCreate(t, s, newCluster(3))
			first := point
			first.ClusterID = made.ID
			if _, err := s.AddFirstRestorePoint(t.Context(), first); err != nil {
				return err
			}
			_, err := s.SetOnline(t.Context(), made.ID)
			return err
		},
		"an audit record that is not waited for, then its creation": func() error {
			if _, err := s.BeginAudit(t.Context(), lazily); err != nil {
				return err
			}
			_, err := s.CreateCluster(t.Context(), newCluster(4), anyPort)
			return err
		},
	} {
		var before, written uint64
		must(0, s.Pool().QueryRow(t.Context(), "SELECT pg_current_wal_insert_lsn() - '0/0'").Scan(&before))(t)
		must(0, write())(t)
		must(0, s.Pool().QueryRow(t.Context(), "SELECT pg_current_wal_flush_lsn() - '0/0'").Scan(&written))(t)
		if written <= before {
			t.Errorf("%s is not on the disk", name)
		}
	}
}

// A job is taken without waiting for the disk, which nothing else of it is.
func TestAJobIsTakenWithoutWaitingForTheDisk(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	_ = mustCreate(t, s, newCluster(1))
	commit := func(sql string) (setting string) {
		t.Helper()
		must(0, pgx.BeginFunc(t.Context(), s.Pool(), func(tx pgx.Tx) error {
			tag, err := tx.Exec(t.Context(), sql)
			if err != nil || tag.RowsAffected() != 1 {
				t.Fatalf("%s: %d rows, %v", sql, tag.RowsAffected(), err)
			}
			return tx.QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&setting)
		}))(t)
		return setting
	}
	if got := commit("UPDATE tine.river_job SET state = 'running', attempted_at = now()"); got != "off" {
		t.Errorf("a job is taken with synchronous_commit %s", got)
	}
	if got := commit("UPDATE tine.river_job SET state = 'completed', finalized_at = now()"); got != "on" {
		t.Errorf("a job is completed with synchronous_commit %s", got)
	}
}
