package storage

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// writeMiB writes a file anew, so that it gets extents of its own.
func writeMiB(t testing.TB, p *Pool, volume, name string, n int) {
	t.Helper()
	content := make([]byte, n*mib)
	_, _ = rand.Read(content)
	path := filepath.Join(p.VolumePath(volume), name)
	_ = os.Remove(path)
	must(t, os.WriteFile(path, content, 0o600))
	must(t, p.Sync(t.Context()))
}

// Each holder is told what it alone refers to, what others do, too, and what only its copies do; in however many passes.
func TestAccountsTellWhatIsWhose(t *testing.T) {
	t.Parallel()
	p := testPool(t)
	must(t, p.Create(t.Context(), "v"))
	writeMiB(t, p, "v", "a", 1)
	writeMiB(t, p, "v", "b", 2)
	must(t, p.Snapshot(t.Context(), "v", "s1"))
	writeMiB(t, p, "v", "a", 1)
	writeMiB(t, p, "v", "passing", 4)
	must(t, p.Snapshot(t.Context(), "v", "s2"))
	must(t, os.Remove(filepath.Join(p.VolumePath("v"), "passing")))
	must(t, p.Snapshot(t.Context(), "v", "s3"))
	must(t, p.Clone(t.Context(), "v", "fork"))
	writeMiB(t, p, "fork", "c", 8)
	must(t, p.Clone(t.Context(), "fork", "second"))
	writeMiB(t, p, "v", "b", 2) // the old one is now the forks' and a copy's
	must(t, p.Sync(t.Context()))

	holders := []Holder{{Live: "v", Points: []string{"s1", "s2", "s3"}}, {Live: "fork"}, {Live: "second"}, {Live: "missing", Points: []string{"gone"}}}
	want := []Account{{Exclusive: 7 * mib, Shared: 3 * mib, Points: 7 * mib}, {Shared: 11 * mib}, {Shared: 11 * mib}, {}}
	for passes := range uint64(3) {
		got, fits, err := p.accountsIn(t.Context(), holders, passes+1)
		must(t, err)
		if fmt.Sprint(got) != fmt.Sprint(want) || !fits {
			t.Errorf("in %d passes: %+v, want %+v", passes+1, got, want)
		}
	}
	must(t, p.Delete(t.Context(), "second"))
	got, err := p.Accounts(t.Context(), holders)
	must(t, err)
	if fork := (Account{Exclusive: 8 * mib, Shared: 3 * mib}); got[1] != fork {
		t.Errorf("without the second fork the first has %+v, want %+v", got[1], fork)
	}
}

// BenchmarkAccounts measures a volume of 20,000 extents with ten copies and ten forks.
func BenchmarkAccounts(b *testing.B) {
	p := testPool(b)
	must(b, p.Create(b.Context(), "v"))
	const extents, copies = 20_000, 10
	page := make([]byte, 4096)
	for i := range 10 {
		f, err := os.Create(filepath.Join(p.VolumePath("v"), fmt.Sprint(i)))
		must(b, err)
		for j := range extents / 10 { // with holes between them, so that each page is an extent
			_, err := f.WriteAt(page, int64(j)*3*4096)
			must(b, err)
		}
		must(b, f.Close())
	}
	holders := []Holder{{Live: "v"}}
	for i := range copies {
		point, fork := fmt.Sprintf("p%d", i), fmt.Sprintf("f%d", i)
		must(b, p.Snapshot(b.Context(), "v", point))
		must(b, p.Clone(b.Context(), "v", fork))
		holders[0].Points = append(holders[0].Points, point)
		holders = append(holders, Holder{Live: fork})
	}
	for b.Loop() {
		_, err := p.Accounts(b.Context(), holders)
		must(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(extents*(copies+2)), "ns/extent")
}
