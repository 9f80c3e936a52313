package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness"
)

// A drop is undone in place, the undoing is undone by a swap, and what was kept gets the present state by a reset: all of it by buttons.
func TestAClusterGetsOtherDataInPlace(t *testing.T) {
	t.Parallel()
	name := newName("back")
	c := makeCluster(t, harness.CreateRequest(name))
	orders := connect(t, c.Connection.URI).Database("shop").Collection("orders")
	if _, err := orders.InsertMany(t.Context(), []any{bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "_id", Value: 2}}}); err != nil {
		t.Fatal(err)
	}
	if err := orders.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := loggedIn(t)
	database := "/databases/" + c.ID

	p.visit(database + "/transactions")
	p.click(`tbody tr:first-child a[href*="/restore?before="]`)
	p.waitFor("form.card", "Connections are cut and come back")
	p.confirm("something else")
	p.waitFor("#confirm-wrong", "Nothing was restored.")
	p.confirm(name)
	p.waitFor("[role=status]", "Its state before is kept")
	kept := keptOf(t, name, "restore")
	p.exchanged("right before transaction", kept.Name)
	wantCount(t, orders, 2)

	// The state before is kept, for a time; TTL indexes wait until they are told not to.
	p.want("section[aria-labelledby=facts]", "Off: they delete nothing")
	p.click(`section[aria-labelledby=facts] a[href$="#ttl"]`)
	p.click(`form[action$="/ttl"] button`)
	p.waitFor("[role=status]", "TTL indexes were turned on")
	p.want("section[aria-labelledby=ttl]", "They are on")
	p.visit("/databases/" + kept.ID)
	p.click(`section[aria-labelledby=facts] a[href$="#expiry"]`)
	p.fill("#expires_at", "3d")
	p.click(`form[action$="/expiry"] button`)
	p.waitFor("[role=status]", "When the cluster expires was changed.")
	p.click(`form[action$="/expiry"] button[name]`)
	p.waitFor("section[aria-labelledby=expiry]", "kept until somebody destroys it")

	p.visit(database + "/history")
	p.click(`a[href$="/swap"]`)
	p.waitFor("#with", kept.Name+" (its fork)")
	p.confirm(name)
	p.exchanged("The cluster has the data of " + kept.Name)
	wantCount(t, orders, 0)
	inKept := connect(t, strings.Replace(kept.Connection.URI, "doadmin@", "doadmin:"+c.Connection.Password+"@", 1)).Database("shop").Collection("orders")
	wantCount(t, inKept, 2)

	p.visit("/databases/" + kept.ID + "/history")
	p.click(`a[href$="/reset"]`)
	p.waitFor("form.card", "the data of "+name)
	p.confirm(kept.Name)
	p.waitFor("[role=status]", "The cluster is being reset.")
	p.exchanged("The cluster has the state of "+name, keptOf(t, kept.Name, "reset").Name)
	wantCount(t, inKept, 0)
}

// confirm types a name and presses the button.
func (p page) confirm(name string) {
	p.t.Helper()
	p.do(chromedp.WaitVisible("#confirm", chromedp.ByQuery))
	p.fill("#confirm", name)
	p.click("button.danger")
}

// exchanged waits until the page of a cluster that gets other data says that it has, without being asked again.
func (p page) exchanged(says ...string) {
	p.t.Helper()
	p.until("the cluster has its data", func() bool {
		text := p.text("main")
		for _, s := range says {
			if !strings.Contains(text, s) {
				return false
			}
		}
		return p.text(".badge") == "online"
	})
}

// keptOf is the cluster that keeps, or will, the state of another before a restore or a reset.
func keptOf(t *testing.T, name, kind string) godo.Database {
	t.Helper()
	list, _, err := shared.API.Databases.List(t.Context(), &godo.ListOptions{PerPage: 200})
	if err != nil {
		t.Fatal(err)
	}
	const shown = 30 // long names are cut
	for _, c := range list {
		if strings.HasPrefix(c.Name, name[:min(len(name), shown)]) && strings.Contains(c.Name, "-before-"+kind+"-") {
			removeLater(t, c.ID)
			return c
		}
	}
	t.Fatalf("nothing keeps the state of %s before the %s", name, kind)
	return godo.Database{}
}

func wantCount(t *testing.T, c *mongo.Collection, want int64) {
	t.Helper()
	if n, err := c.CountDocuments(t.Context(), bson.D{}); err != nil || n != want {
		t.Errorf("there are %d orders, %v; want %d", n, err, want)
	}
}
