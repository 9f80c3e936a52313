package fleet_test

import (
	"strings"
	"testing"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

func forkOf(source string, at *time.Time) fleet.CreateRequest {
	return fleet.CreateRequest{Name: "fork", Source: &fleet.Source{Name: source, At: at}}
}

func TestForkInheritsWhatTheRequestLeavesOpen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := request("prod")
	r.Version, r.Size, r.StorageMiB, r.Tags = "7", "db-s-1vcpu-2gb", 40960, []string{"red"}
	r.ProjectID = "11111111-2222-4333-8444-555555555555"
	source := b.online(t, r, now.Add(-time.Hour))
	fork := b.create(t, forkOf("prod", nil))
	if fork.Status != store.StatusForking || fork.SourceID != source.ID || fork.SourceName != "prod" || fork.ForkAt != nil {
		t.Errorf("lineage of %+v", fork)
	}
	if fork.Engine != "mongodb" || fork.Version != "7" || fork.Region != "nyc1" || fork.Size != "db-s-1vcpu-2gb" || fork.NumNodes != 1 ||
		fork.StorageMiB != 40960 || fork.ProjectID != r.ProjectID || len(fork.Tags) != 0 {
		t.Errorf("fork is %+v", fork)
	}
	if !fork.RequestedAt.Equal(now) {
		t.Errorf("requested at %v, want %v", fork.RequestedAt, now)
	}
	if fork.DoadminVerifier == source.DoadminVerifier || fork.Port == source.Port {
		t.Error("the fork shares its source's password or port")
	}
}

func TestForkMayChooseAnotherPlanWithRoomForTheData(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := request("prod")
	r.Size, r.StorageMiB = "db-s-4vcpu-8gb", 143360
	b.online(t, r, now.Add(-time.Hour)) // 20 GiB of data

	smaller := forkOf("prod", nil)
	smaller.Size = "db-s-1vcpu-1gb"
	if c := b.create(t, smaller); c.StorageMiB != 61440 {
		t.Errorf("storage %d, want the most the plan offers", c.StorageMiB)
	}
	tight := forkOf("prod", nil)
	tight.Name, tight.Size, tight.StorageMiB = "tight", "db-s-1vcpu-1gb", 15360
	b.refused(t, tight, fleet.Invalid, "storage_size_mib", `storage_size_mib must be at least 20480 to hold the data of "prod"; got 15360`)
	tight.StorageMiB = 20480
	b.create(t, tight)
}

func TestForkTimeMustLieInTheWindow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	oldest := now.Add(-time.Hour).Add(123 * time.Microsecond)
	b.online(t, request("prod"), oldest, now.Add(-time.Minute))
	accepted := map[string]struct{ at, want time.Time }{
		"first":                      {oldest, oldest},
		"last":                       {now, now},
		"between, other zone":        {now.Add(-time.Second).In(time.FixedZone("", 3600)), now.Add(-time.Second)},
		"the running second":         {now.Truncate(time.Second).Add(time.Second), now},
		"a listed backup's own time": {oldest.Truncate(time.Second).Add(time.Second), oldest.Truncate(time.Second).Add(time.Second)},
	}
	for name, tt := range accepted {
		r := forkOf("prod", &tt.at)
		r.Name = strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(name)
		if c := b.create(t, r); !c.ForkAt.Equal(tt.want) {
			t.Errorf("%s: fork at %v, want %v", name, c.ForkAt, tt.want)
		}
	}
	const rule = `backup_restore.backup_created_at must be between 2026-08-10T11:00:00.250123Z and 2026-08-10T12:00:00.25Z, the history of "prod"; got `
	for _, at := range []time.Time{
		oldest.Add(-time.Microsecond), now.Add(time.Microsecond), now.Truncate(time.Second).Add(2 * time.Second), {}, now.AddDate(0, 0, -8),
	} {
		b.refused(t, forkOf("prod", &at), fleet.Invalid, "backup_restore.backup_created_at", rule+at.Format(time.RFC3339Nano))
	}
}

func TestWindowEndsWithWhatIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// The oldest restore point is kept beyond the window, for the window's first moments.
	c := b.online(t, request("prod"), now.AddDate(0, 0, -8), now.AddDate(0, 0, -6))
	h, err := b.fleet.History(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if want := now.AddDate(0, 0, -7); !h.Window.From.Equal(want) || !h.Window.To.Equal(now) || len(h.RestorePoints) != 2 {
		t.Errorf("history is %+v, want a window from %v", h, want)
	}
	beyond := now.AddDate(0, 0, -7).Add(-time.Second)
	b.refused(t, forkOf("prod", &beyond), fleet.Invalid, "backup_restore.backup_created_at",
		`backup_restore.backup_created_at must be between 2026-08-03T12:00:00.25Z and 2026-08-10T12:00:00.25Z, the history of "prod"; got 2026-08-03T11:59:59.25Z`)
	backups, err := b.fleet.Backups(t.Context(), c.ID)
	if err != nil || len(backups) != 1 {
		t.Errorf("backups %+v, %v; want the one inside the window", backups, err)
	}
}

// Whoever forks at a listed backup's time, cut to seconds or not, must not be told that it is outside the window.
func TestEveryListedBackupCanBeForked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, request("prod"), now.Add(-time.Hour), now.Add(-1500*time.Millisecond), now.Add(-time.Microsecond))
	backups, err := b.fleet.Backups(t.Context(), c.ID)
	if err != nil || len(backups) != 3 {
		t.Fatalf("backups %+v, %v", backups, err)
	}
	for n, backup := range backups {
		if backup.CreatedAt.Nanosecond() != 0 || backup.SizeBytes != 20<<30 {
			t.Errorf("backup %+v", backup)
		}
		r := forkOf("prod", &backup.CreatedAt)
		r.Name = "fork-" + string(rune('a'+n))
		r.StorageMiB = 20480
		b.create(t, r)
	}
}

func TestForkNeedsAnOnlineSourceThatExists(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.create(t, request("young"))
	failed := b.create(t, request("broken"))
	if _, err := b.store.SetFailed(t.Context(), failed.ID, "No."); err != nil {
		t.Fatal(err)
	}
	dying := b.online(t, request("dying"), now.Add(-time.Hour))
	if err := b.fleet.Destroy(t.Context(), dying.ID); err != nil {
		t.Fatal(err)
	}
	bare := b.online(t, request("bare"))
	const field = "backup_restore.database_name"
	b.refused(t, forkOf("", nil), fleet.Invalid, field, field+" must be the name of the cluster to fork")
	b.refused(t, forkOf("nobody", nil), fleet.NotFound, field, field+` must name an existing cluster; there is no "nobody"`)
	b.refused(t, forkOf("young", nil), fleet.NotReady, field, field+` must name an online cluster; "young" is still being created`)
	b.refused(t, forkOf("broken", nil), fleet.NotReady, field, field+` must name an online cluster; "broken" has failed`)
	b.refused(t, forkOf("dying", nil), fleet.NotReady, field, field+` must name an online cluster; "dying" is being destroyed`)
	at := now.Add(-time.Second)
	b.refused(t, forkOf("bare", &at), fleet.NotReady, "backup_restore.backup_created_at",
		`backup_restore.backup_created_at cannot be chosen yet: the cluster "bare" has no restore point so far`)
	_, err := b.fleet.Backups(t.Context(), bare.ID)
	wantError(t, err, fleet.NotReady, "", `the cluster "`+bare.ID+`" has no backups yet; the first is taken when it comes online`)
	b.create(t, forkOf("bare", nil))
}

func TestForkKeepsItsSourcesVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := request("prod")
	r.Version = "7"
	b.online(t, r, now.Add(-time.Hour))
	fork := forkOf("prod", nil)
	fork.Version = "8"
	b.refused(t, fork, fleet.Invalid, "version", `version must be 7, the version of the source "prod"; got "8"`)
	fork.Version = "7.0"
	fork.StorageMiB = 20480
	b.create(t, fork)
}
