package catalog_test

import (
	"testing"
	"time"

	"tine/internal/catalog"
)

func TestPriceIsOfNodesAndTheStorageBeyondThePlan(t *testing.T) {
	t.Parallel()
	c, err := catalog.Load("")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		size    string
		nodes   int
		storage int64
		want    string
	}{
		{"db-s-1vcpu-1gb", 1, 15360, "15.00"},
		{"db-s-1vcpu-1gb", 3, 15360, "45.00"},
		{"db-s-1vcpu-1gb", 1, 15360 + 10*1024, "17.10"},
		{"db-s-1vcpu-1gb", 3, 15360 + 10*1024, "51.30"},
		{"db-s-1vcpu-1gb", 1, 1024, "15.00"},
	} {
		if got, ok := c.Monthly(test.size, test.nodes, test.storage); !ok || got.Dollars() != test.want || got.String() != test.want {
			t.Errorf("%+v costs %s", test, got)
		}
	}
	if _, ok := c.Monthly("nothing", 1, 1); ok {
		t.Error("an unknown plan has a price")
	}
}

func TestMoneyOfATimeKeepsItsFractions(t *testing.T) {
	t.Parallel()
	monthly := catalog.Money(15_000_000)
	for d, want := range map[time.Duration][2]string{
		672 * time.Hour:  {"15.00", "15.00"},
		10 * time.Minute: {"0.00372", "0.00"},
		time.Second:      {"0.000006", "0.00"},
		time.Hour:        {"0.022321", "0.02"},
	} {
		if got := monthly.For(d); got.String() != want[0] || got.Dollars() != want[1] {
			t.Errorf("%s cost %s, rounded %s; want %s", d, got, got.Dollars(), want)
		}
	}
}
