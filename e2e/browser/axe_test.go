package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/e2e/chrome"
	"tine/e2e/harness"
)

// axe is axe-core, which scripts/clients.sh installs.
func axe(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile(filepath.Join("..", "clients", "node", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("%v; scripts/clients.sh installs it", err)
	}
	return string(script)
}

// finding is something that axe does not like.
type finding struct {
	ID, Impact, Help string
	Nodes            []struct{ HTML, FailureSummary string }
}

// check runs axe on the page as it is, with all rules of WCAG 2.2 AA and axe's best practices. Nothing serious may be found.
func (p page) check(what, script string) {
	p.t.Helper()
	var found string
	err := p.Evaluate(script+`;axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations.map(
		(v) => ({ID: v.id, Impact: v.impact, Help: v.help, Nodes: v.nodes.map((n) => ({HTML: n.html, FailureSummary: n.failureSummary}))}))))`, &found)
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
	var findings []finding
	if err := json.Unmarshal([]byte(found), &findings); err != nil {
		p.t.Fatal(err)
	}
	for _, f := range findings {
		if f.Impact != "serious" && f.Impact != "critical" {
			p.t.Logf("%s: %s (%s): %s", what, f.ID, f.Impact, f.Help)
			continue
		}
		for _, n := range f.Nodes {
			p.t.Errorf("%s: %s (%s): %s\n%s\n%s", what, f.ID, f.Impact, f.Help, n.HTML, n.FailureSummary)
		}
	}
}

func TestNoPageHasSeriousFindingsOfAxe(t *testing.T) {
	t.Parallel()
	script := axe(t)
	c := makeCluster(t, harness.CreateRequest(newName("axe")))
	orders := connect(t, c.Connection.URI).Database("shop").Collection("orders")
	if _, err := orders.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := orders.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	fork, err := shared.Make(t.Context(), harness.ForkRequest(c.Name, newName("axe-fork"), time.Time{}))
	if err != nil {
		t.Fatal(err)
	}
	removeLater(t, fork.ID)
	p := open(t)
	p.visit("/login")
	p.check("/login", script)
	p.logIn(adminToken(t))
	database := "/databases/" + c.ID
	pages := []string{
		"/databases", "/databases?q=nothing", "/databases/new", database, database + "/users", database + "/users/doadmin", database + "/dbs/defaultdb/delete", database + "/history", database + "/transactions",
		database + "/insights", database + "/logs", database + "/events", database + "/settings", database + "/resize", database + "/fork", database + "/destroy",
		database + "/restore", database + "/swap", "/databases/" + fork.ID + "/reset", "/billing", "/tokens", "/audit", "/nothing",
	}
	for i, look := range []struct {
		scheme        string
		width, height int64
	}{{"light", 1280, 900}, {"dark", 1280, 900}, {"light", 390, 844}} {
		p.do(chrome.Scheme(look.scheme), chrome.Size(look.width, look.height))
		for _, path := range pages {
			p.visit(path)
			p.check(fmt.Sprintf("%s, %s, %d", path, look.scheme, look.width), script)
			p.wantNoScrolling(path)
		}
		p.visit("/databases")
		p.click(".menu summary")
		p.check("the menu", script)
		p.visit(database + "/fork")
		p.click("#state-point")
		p.fill("#name", "Not_a_name")
		p.waitFor("#name-wrong", "has")
		p.check("a fork at a point in time, with a bad name", script)
		p.wantNoScrolling("a fork at a point in time")
		p.visit(database + "/users")
		p.fill("#name", fmt.Sprintf("user%d", i))
		p.click("section:first-of-type .primary")
		p.waitFor("#secret", "The password of user")
		p.check("a password", script)
	}
}

// wantNoScrolling fails if the page is wider than its window: on a phone nobody should have to scroll sideways to read.
func (p page) wantNoScrolling(what string) {
	p.t.Helper()
	var wide []string
	p.do(chromedp.Evaluate(`(() => { const w = document.documentElement.clientWidth; if (document.documentElement.scrollWidth <= w) return [];
		return [...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > w + 1).slice(0, 5).map((e) => e.outerHTML.slice(0, 160)); })()`, &wide))
	if len(wide) > 0 {
		p.t.Errorf("%s is wider than its window: %s", what, strings.Join(wide, "\n"))
	}
}
