package engine

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Of the pages that a node has read when its first client comes, most are of files that were prefetched: a new version of PostgreSQL or of the engine may change that.
func TestMostOfWhatAStartReadsIsPrefetched(t *testing.T) {
	t.Parallel()
	place := newPlace(t)
	root := installedRoot(t)
	golden, err := root.BuildGolden(t.Context(), place.pool, place.runtime, filepath.Join(place.dir, "work"))
	noError(t, err)
	source := place.startNode(t, root, golden, "source")
	run(t, connect(t, source, RoleSuperuser), "CREATE EXTENSION pg_buffercache")
	run(t, connect(t, source, RoleSuperuser), "CHECKPOINT")
	conn := connect(t, place.copyLive(t, root, "source", "copy"), RoleSuperuser)
	noError(t, Migrate(t.Context(), conn))
	rows, err := conn.Query(t.Context(), `SELECT CASE reldatabase WHEN 0 THEN 'global' ELSE 'base/' || reldatabase END, relfilenode::int, count(*)
		FROM pg_buffercache WHERE relfilenode IS NOT NULL GROUP BY 1, 2`)
	noError(t, err)
	type file struct {
		Dir           string
		Number, Pages int
	}
	files, err := pgx.CollectRows(rows, pgx.RowToStructByPos[file])
	noError(t, err)
	all, ours := 0, 0
	for _, f := range files {
		all += f.Pages
		if slices.Contains(readAtStart[f.Dir], f.Number) {
			ours += f.Pages
		}
	}
	if all < 100 || ours < all*8/10 {
		t.Errorf("%d of %d pages are prefetched; all files: %v", ours, all, files)
	}
}
