package browser

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"tine/e2e/harness"
)

// Whoever migrates a cluster sees how far it is without asking again. It has a Tine of its own, with two regions and slow transfers.
func TestABarShowsHowFarAMigrationIs(t *testing.T) {
	t.Parallel()
	tine, err := harness.New(harness.Options{ImageGiB: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tine.Destroy(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	regions, err := tine.WithRegions(map[string]string{"fra1": "{image_gib: 4}"})
	if err != nil {
		t.Fatal(err)
	}
	if err := tine.Configure(regions + "transfer: {mib_per_second: 8}\n"); err != nil {
		t.Fatal(err)
	}
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := tine.Make(t.Context(), harness.CreateRequest("moves"))
	if err != nil {
		t.Fatal(err)
	}
	p := openOf(t, tine)
	p.logIn(adminTokenOf(t, tine))
	p.visit("/databases/" + c.ID + "/settings")
	p.do(chromedp.SetValue("#region", "fra1", chromedp.ByQuery))
	p.click(`form[action$="/settings/region"] button`)
	p.waitFor("#progress", "The cluster is being migrated")
	bar := func() (value int) {
		p.do(chromedp.Evaluate(`document.querySelector("#progress progress")?.value ?? 0`, &value))
		return value
	}
	p.until("the bar shows the beginning", func() bool { return bar() > 0 })
	const steps = 2
	for range steps {
		before := bar()
		p.until("the bar grows", func() bool { return bar() > before })
	}
	p.until("the page says how much, how fast and for how long", func() bool {
		text := p.text("#progress .transfer")
		return strings.Contains(text, "MiB") && strings.Contains(text, " a second") && strings.Contains(text, " left")
	})
	if err := tine.WaitOnline(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	p.until("the bar is gone", func() bool { return p.text("#progress") == "" })
	p.visit("/databases/" + c.ID)
	p.want(".facts", "fra1")
}
