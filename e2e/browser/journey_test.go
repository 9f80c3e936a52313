package browser

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/chrome"
	"tine/e2e/harness"
)

// The person who has lost data looks for a button.
func TestACollectionIsDroppedAndComesBackInAFork(t *testing.T) {
	t.Parallel()
	p := loggedIn(t)
	name := newName("shop")

	p.visit("/databases/new")
	p.do(chromedp.Click(`input[name=size][value=db-s-1vcpu-2gb]`, chromedp.ByQuery))
	p.waitFor("#summary", "$30.00")
	p.fill("#name", name)
	p.click(".actions .primary")
	p.waitFor("#progress", name+" is online.")
	removeLater(t, idOf(t, name))
	client := connect(t, p.uri())
	orders := client.Database("shop").Collection("orders")
	docs := make([]any, 100)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: i}}
	}
	if _, err := orders.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	if err := orders.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}

	// From the list by the menu to the moment before, on the timeline.
	p.visit("/databases?q=" + name)
	p.click(".menu summary")
	p.click(`.menu a[href$="/fork"]`)
	p.do(chromedp.WaitVisible("#state-point", chromedp.ByQuery))
	p.click("#state-point")
	p.waitFor("#timeline", "The collection shop.orders was dropped.")
	p.click("tr.drop button")
	picked := p.value("#at")
	p.dragHandle(0.3)
	if dragged := p.value("#at"); dragged == picked {
		t.Error("the handle did not move")
	}
	p.click("tr.drop button")
	if got := p.value("#at"); got != picked {
		t.Errorf("the moment before is %s, then %s", picked, got)
	}
	p.do(chromedp.Click(`#timeline button[value=zoom-in]`, chromedp.ByQuery))
	p.do(chromedp.WaitEnabled(`#timeline button[value=zoom-all]`, chromedp.ByQuery))
	p.want("#timeline", "The collection shop.orders was dropped.") // it was zoomed about the handle
	p.waitFor("#summary", "Online in about")

	fork := newName(name + "-fork")
	p.fill("#name", fork)
	p.click(".actions .primary")
	p.waitFor("#progress", fork+" is online.")
	p.want("#progress", "Share the data of "+name)
	removeLater(t, idOf(t, fork))
	forked := connect(t, p.uri())
	found, err := forked.Database("shop").Collection("orders").CountDocuments(t.Context(), bson.D{})
	if err != nil || found != int64(len(docs)) {
		t.Errorf("the fork has %d orders, %v; want all %d", found, err, len(docs))
	}
	if left, err := orders.CountDocuments(t.Context(), bson.D{}); err != nil || left != 0 {
		t.Errorf("the source has %d orders, %v", left, err)
	}

	// Or they would look for their cluster for half a minute, to say goodbye.
	for _, c := range []*mongo.Client{client, forked} {
		if err := c.Disconnect(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for _, cluster := range []string{fork, name} {
		id := idOf(t, cluster)
		p.visit("/databases/" + id)
		p.click(`.head a[href$="/destroy"]`)
		p.do(chromedp.WaitVisible("form.card #name", chromedp.ByQuery))
		p.fill("#name", "something else")
		p.click("button.danger")
		p.waitFor("#name-wrong", "Nothing was destroyed.")
		p.fill("#name", cluster)
		p.click("button.danger")
		p.waitFor("h1", "Databases")
		if err := shared.WaitGone(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
}

// dragHandle drags the timeline's handle to a place, as a share of the picture's width.
func (p page) dragHandle(to float64) {
	p.t.Helper()
	var box struct{ X, Y, Width, Height float64 }
	p.do(
		chromedp.ScrollIntoView("#timeline", chromedp.ByQuery),
		chromedp.Evaluate(`(() => { const b = document.querySelector("[data-timeline]").getBoundingClientRect(); return {X: b.x, Y: b.y, Width: b.width, Height: b.height}; })()`, &box),
	)
	y := box.Y + box.Height/2
	p.do(
		chromedp.MouseEvent(input.MousePressed, box.X+box.Width*0.6, y, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.MouseMoved, box.X+box.Width*0.5, y, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.MouseMoved, box.X+box.Width*to, y, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.MouseReleased, box.X+box.Width*to, y, chromedp.ButtonLeft),
	)
}

func TestTheTimelineKeepsToTheHistory(t *testing.T) {
	t.Parallel()
	c := makeCluster(t, harness.CreateRequest(newName("line")))
	p := loggedIn(t)
	p.visit("/databases/" + c.ID + "/fork")
	p.click("#state-point")
	p.do(chromedp.WaitVisible("[data-timeline]", chromedp.ByQuery))
	var ends struct{ Earliest, Latest string }
	p.do(chromedp.Evaluate(`(() => { const d = document.querySelector("[data-timeline]").dataset;
		const show = (ms) => new Date(+ms).toISOString().replace("T", " ").replace("Z", ""); return {Earliest: show(d.earliest), Latest: show(d.latest)}; })()`, &ends))
	// Beyond both ends of the picture.
	p.dragHandle(1.5)
	if got := p.value("#at"); got != ends.Latest {
		t.Errorf("dragged beyond the end: %s, want %s", got, ends.Latest)
	}
	p.dragHandle(-0.5)
	if got := p.value("#at"); got != ends.Earliest {
		t.Errorf("dragged before the beginning: %s, want %s", got, ends.Earliest)
	}
	p.do(chromedp.Focus("#at", chromedp.ByQuery), chromedp.KeyEvent("\u0304")) // the up arrow
	moment, err := time.Parse("2006-01-02 15:04:05.000", ends.Earliest)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.value("#at"), moment.Add(time.Millisecond).Format("2006-01-02 15:04:05.000"); got != want {
		t.Errorf("a millisecond later is %s, want %s", got, want)
	}
	// What is typed is held against the history while it is.
	p.fill("#at", "1999-01-01 00:00")
	p.waitFor("#at-wrong", "The point in time must be between")
	p.fill("#at", ends.Latest)
	p.waitForNothingIn("#at-wrong")
}

func TestBadInputIsMarkedWhileItIsTyped(t *testing.T) {
	t.Parallel()
	c := makeCluster(t, harness.CreateRequest(newName("taken")))
	p := loggedIn(t)
	for _, path := range []string{"/databases/new", "/databases/" + c.ID + "/fork"} {
		p.visit(path)
		for _, bad := range []struct{ input, value, says string }{
			{"#name", "Shop_1", `"Shop_1" has "S" and "_"`},
			{"#name", c.Name, "must be unique"},
			{"#name", "ok", "has 2 characters"},
		} {
			p.fill(bad.input, bad.value)
			p.waitFor(bad.input+"-wrong", bad.says)
		}
		p.fill("#name", newName("good"))
		p.waitForNothingIn("#name-wrong")
		p.fill("#storage", "5")
		p.waitFor("#storage-wrong", "Storage must be between 15 GiB and 60 GiB")
		p.fill("#storage", "lots")
		p.waitFor("#storage-wrong", "Storage must be a number of GiB")
		// Sent all the same, it is refused, and what was typed is there to be corrected.
		p.click(".actions .primary")
		p.waitFor("[role=alert]", "one thing must be changed first")
		p.want("#storage-wrong", "Storage must be a number of GiB")
		if got := p.value("#storage"); got != "lots" {
			t.Errorf("the storage is %q", got)
		}
	}
	list, err := shared.Events(t.Context(), c.ID)
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	p.visit("/login")
	p.waitFor("h1", "Databases") // who is logged in need not
}

func TestAReadOnlyTokenLooksAndChangesNothing(t *testing.T) {
	t.Parallel()
	c := makeCluster(t, harness.CreateRequest(newName("seen")))
	p := loggedIn(t)
	p.visit("/tokens")
	p.fill("#name", newName("reader"))
	p.click(`input[name=scopes][value=read]`)
	p.click("section:last-of-type .primary")
	p.waitFor("#secret", "The token reader")
	secret := p.text(".secret code")

	reader := open(t)
	reader.visit("/databases/" + c.ID)
	reader.waitFor("h1", "Log in")
	reader.do(chromedp.SendKeys("#token", "tine_v1_wrong", chromedp.ByQuery), chromedp.Click("form .primary", chromedp.ByQuery))
	reader.waitFor("#token-wrong", "Unknown token.")
	reader.logIn(secret)
	for _, path := range []string{"/databases", "/databases/" + c.ID, "/databases/" + c.ID + "/history", "/databases/" + c.ID + "/settings", "/databases/" + c.ID + "/users"} {
		reader.visit(path)
		reader.want("main", c.Name)
		for _, button := range []string{`main a[href$="/fork"]`, `main a[href$="/destroy"]`, `main a[href$="/resize"]`, `a[href="/databases/new"]`, `a[href="/tokens"]`, `main form[method=post]:not(:has([disabled])) button`} {
			reader.wantNone(button)
		}
	}
	// The form of somebody who may, sent by somebody who may not.
	reader.visit("/databases")
	reader.do(chromedp.Evaluate(`(() => { const f = document.querySelector("form.visitor"); f.action = "/databases/`+c.ID+`/destroy";
		const i = document.createElement("input"); i.name = "name"; i.value = "`+c.Name+`"; f.append(i); f.submit(); })()`, nil))
	reader.waitFor("h1", "Your token may not do this")
	if got, _, err := shared.API.Databases.Get(t.Context(), c.ID); err != nil || got.Status != "online" {
		t.Errorf("the cluster is %+v, %v", got, err)
	}
}

func TestWithoutScriptsEverythingWorksButLiveUpdates(t *testing.T) {
	t.Parallel()
	p := open(t)
	p.do(chrome.Scripts(false))
	defer p.do(chrome.Scripts(true))
	token := adminToken(t)
	p.visit("/login")
	p.do(chromedp.SendKeys("#token", token+"\n", chromedp.ByQuery))
	p.waitForText("Databases")

	name := newName("plain")
	p.visit("/databases/new")
	p.do(chromedp.SendKeys("#name", name+"\n", chromedp.ByQuery))
	p.waitForText("Save the password now.")
	id := idOf(t, name)
	removeLater(t, id)
	if err := shared.WaitOnline(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	p.until("a history that is long enough to zoom in", func() bool {
		p.visit("/databases/" + id + "/fork")
		return !p.has(`#timeline button[value=zoom-in]`, "disabled")
	})
	// Zooming and choosing a moment are buttons of the form.
	p.do(
		chromedp.Click("#state-point", chromedp.ByQuery), chromedp.Click(`#timeline button[value=zoom-in]`, chromedp.ByQuery),
		chromedp.WaitEnabled(`#timeline button[value=zoom-all]`, chromedp.ByQuery), chromedp.Click(`#timeline button[value=zoom-all]`, chromedp.ByQuery),
		chromedp.WaitVisible(`#timeline button[value=zoom-all]:disabled`, chromedp.ByQuery), chromedp.Click(`tr.event button`, chromedp.ByQuery),
	)
	p.waitForText("Online in about")
	fork := p.value("#name") // it suggests one that is free
	p.do(chromedp.Click(".actions .primary", chromedp.ByQuery))
	p.waitForText("Your fork of")
	removeLater(t, idOf(t, fork))
	if err := shared.WaitOnline(t.Context(), idOf(t, fork)); err != nil {
		t.Fatal(err)
	}
}

// waitForText waits for a text in the page's source, which works without the page's scripts, too.
func (p page) waitForText(text string) {
	p.t.Helper()
	p.until("the page has "+text, func() bool {
		var html string
		return p.Do(chromedp.OuterHTML("html", &html, chromedp.ByQuery)) == nil && strings.Contains(html, text)
	})
}
