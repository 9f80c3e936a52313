package fleet_test

import (
	"testing"

	"tine/internal/fleet"
	"tine/internal/store"
)

// A full pool takes neither clusters nor forks, and takes them again when there is space. What is wrong with a request is said first.
func TestFullPoolTakesNoClusters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.online(t, request("source"), now)
	fork := request("fork")
	fork.Source = &fleet.Source{Name: "source"}
	const sentence = "the host local has no room for another cluster: 19 % of its disk must be free, and 9 % are; " +
		"destroy clusters that are not needed, or add storage"
	for _, level := range []store.SpaceLevel{store.SpaceTight, store.SpaceShort, store.SpaceCritical} {
		b.setSpace(t, store.HostSpace{Host: "local", Level: level, FreeShare: 0.099, RequiredShare: 0.1875})
		b.refused(t, request("new"), fleet.Full, "", sentence)
		b.refused(t, fork, fleet.Full, "", sentence)
		b.refused(t, request("Wrong"), fleet.Invalid, "name", nameSentence(t, b, "Wrong"))
	}
	b.setSpace(t, store.HostSpace{Host: "local", Level: store.SpaceAmple, FreeShare: 0.19, RequiredShare: 0.15})
	b.create(t, request("new"))
	b.create(t, fork)
}

func (b bundle) setSpace(t *testing.T, s store.HostSpace) {
	t.Helper()
	if err := b.store.SetHostSpace(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// nameSentence is how that name is refused whatever the pool has.
func nameSentence(t *testing.T, b bundle, name string) string {
	t.Helper()
	space, err := b.store.HostSpace(t.Context(), "local", store.DefaultPool)
	if err != nil {
		t.Fatal(err)
	}
	full := space
	space.Level = store.SpaceAmple
	b.setSpace(t, space)
	defer b.setSpace(t, full)
	_, err = b.fleet.Check(t.Context(), request(name))
	if err == nil {
		t.Fatalf("the name %s is not refused", name)
	}
	return err.Error()
}
