package fleet_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"tine/internal/fleet"
	"tine/internal/store"
)

// used writes usage as if its time had passed.
func (b bundle) used(t *testing.T, cluster, monthly string, from, to time.Time) {
	t.Helper()
	_, err := b.store.Pool().Exec(t.Context(), `INSERT INTO tine.usage (cluster_id, cluster_name, project_id, source_name, shared_bytes, size,
			num_nodes, storage_mib, monthly_price, from_at, to_at) VALUES ($1, 'prod', '', '', 0, 'db-s-1vcpu-1gb', 1, 15360, $2::numeric * 1000000, $3, $4)`,
		cluster, monthly, from, to)
	if err != nil {
		t.Fatal(err)
	}
}

func TestInvoicesChargeTheSecondsOfTheirMonth(t *testing.T) {
	t.Parallel()
	b := setup(t) // now is the 10th of August 2026, 12:00
	month := func(m time.Month, day, hour int) time.Time { return time.Date(2026, m, day, hour, 0, 0, 0, time.UTC) }
	all, resized := uuid.NewString(), uuid.NewString()
	b.used(t, all, "15", month(time.June, 30, 0), month(time.August, 1, 1))
	b.used(t, resized, "15", month(time.July, 1, 0), month(time.July, 15, 0))   // 336 hours
	b.used(t, resized, "30", month(time.July, 15, 0), month(time.August, 1, 0)) // 408 hours, of which 336 are charged

	want := map[string]string{"2026-07": "37.50", "2026-06": "0.54"}
	invoices, err := b.fleet.Invoices(t.Context())
	if err != nil || len(invoices) != len(want) {
		t.Fatalf("invoices %+v, %v", invoices, err)
	}
	for _, i := range invoices {
		if got := i.Amount.Dollars(); got != want[i.Month.Format("2006-01")] {
			t.Errorf("%s costs %s: %+v", i.Month, got, i.Items)
		}
		same, err := b.fleet.Invoice(t.Context(), i.ID)
		if err != nil || same.Amount != i.Amount || len(same.Items) != len(i.Items) {
			t.Errorf("by its id %+v, %v", same, err)
		}
	}
	if got := invoices[0]; got.Items[0].Amount.Dollars() != "15.00" || got.Items[1].Amount.Dollars() != "7.50" || got.Items[2].Amount.Dollars() != "15.00" || got.Clusters() != 2 {
		t.Errorf("July: %+v", got.Items)
	}
	current, err := b.fleet.CurrentInvoice(t.Context())
	if err != nil || current.Amount.String() != "0.022321" || len(current.Items) != 1 {
		t.Errorf("August: %+v, %v", current, err)
	}
	_, err = b.fleet.Invoice(t.Context(), current.ID)
	wantError(t, err, fleet.NotFound, "", `there is no invoice with the id "`+current.ID+`"`)
}

func TestClustersOlderThanTheMeterAreChargedFromItsStart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, request("prod"))
	if _, err := b.store.Pool().Exec(t.Context(), "DELETE FROM tine.usage"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.fleet.StartMeters(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	usage, err := b.store.Usage(t.Context(), now, time.Now().Add(time.Hour))
	if err != nil || len(usage) != 1 || usage[0].ClusterID != c.ID || usage[0].Charge.MonthlyPrice != 15_000_000 || !usage[0].From.After(c.CreatedAt) {
		t.Errorf("usage %+v, %v", usage, err)
	}
}

func TestAForkIsChargedAndShowsWhatItDidNotCopy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.online(t, request("prod"), now.Add(-2*time.Hour), now.Add(-time.Hour))
	at := now.Add(-90 * time.Minute)
	r := request("fork")
	r.Source, r.Size = &fleet.Source{ID: source.ID, At: &at}, "db-s-1vcpu-2gb"
	fork := b.create(t, r)
	usage, err := b.store.Usage(t.Context(), now.Add(-time.Hour), now.Add(time.Hour))
	if err != nil || len(usage) != 2 {
		t.Fatalf("usage %+v, %v", usage, err)
	}
	got := usage[slices.IndexFunc(usage, func(u store.Usage) bool { return u.ClusterID == fork.ID })]
	if got.SourceName != "prod" || got.Charge != (store.Charge{MonthlyPrice: 30_000_000, SharedBytes: 20 << 30}) {
		t.Errorf("usage of the fork %+v", got)
	}
}
