// Package browser tests the control panel as its users see it: in a real browser, on a whole Tine, with clusters that drivers write to.
package browser

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/chrome"
	"tine/e2e/harness"
)

// The one Tine and the one browser of all tests; each test has pages with cookies of its own.
var (
	shared  *harness.Tine
	browser *chrome.Browser
)

func TestMain(m *testing.M) {
	code := harness.Main(m, &shared, harness.Options{ReplayMiB: 16, Config: "insights:\n  interval: 1s\n"}, start)
	if browser != nil {
		browser.Close()
	}
	os.Exit(code)
}

func start(ctx context.Context, tine *harness.Tine) (err error) {
	if err := tine.Start(ctx); err != nil {
		return err
	}
	if browser, err = chrome.Start(ctx); err != nil {
		return fmt.Errorf("%w (scripts/deps.sh clients installs what is missing)", err)
	}
	return nil
}

var names atomic.Int64

// newName is a name that no other cluster of the test run has.
func newName(prefix string) string { return fmt.Sprintf("%s-%d", prefix, names.Add(1)) }

// page is a page whose failures are the test's.
type page struct {
	*chrome.Page
	t *testing.T
}

// open opens a page without a session. At its end the test fails if anything happened on it that must not.
func open(t *testing.T) page {
	t.Helper()
	return openOf(t, shared)
}

func openOf(t *testing.T, tine *harness.Tine) page {
	t.Helper()
	p, err := browser.Open(tine.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Trouble(); err != nil {
			t.Error(err)
		}
		p.Close()
	})
	return page{p, t}
}

// loggedIn opens a page and logs in with the administrator's token.
func loggedIn(t *testing.T) page {
	t.Helper()
	p := open(t)
	p.logIn(adminToken(t))
	return p
}

func (p page) logIn(token string) {
	p.t.Helper()
	p.visit("/login")
	p.do(chromedp.SendKeys("#token", token, chromedp.ByQuery), chromedp.Click("form .primary", chromedp.ByQuery), chromedp.WaitVisible(".visitor", chromedp.ByQuery))
}

func (p page) visit(path string) {
	p.t.Helper()
	if err := p.Go(path); err != nil {
		p.t.Fatal(err)
	}
}

func (p page) do(actions ...chromedp.Action) {
	p.t.Helper()
	if err := p.Do(actions...); err != nil {
		p.t.Fatalf("%v; the page is:\n%s", err, p.text("body"))
	}
}

// click presses what is there and can be seen.
func (p page) click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(selector, chromedp.ByQuery))
}

// fill types into an input in place of what it has.
func (p page) fill(selector, text string) {
	p.t.Helper()
	p.do(
		chromedp.WaitVisible(selector, chromedp.ByQuery),
		chromedp.Evaluate(fmt.Sprintf(`(() => { const i = document.querySelector(%q); i.focus(); i.select(); })()`, selector), nil),
		chromedp.KeyEvent(text),
	)
}

// text is what a reader sees of an element; empty if there is none.
func (p page) text(selector string) string {
	var text string
	if err := p.Evaluate(fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector), &text); err != nil {
		return "(" + err.Error() + ")"
	}
	return text
}

// value is what an input has.
func (p page) value(selector string) string {
	p.t.Helper()
	var value string
	p.do(chromedp.Value(selector, &value, chromedp.ByQuery))
	return value
}

// has says whether an element has an attribute, whatever its value.
func (p page) has(selector, attribute string) bool {
	p.t.Helper()
	var value string
	var ok bool
	p.do(chromedp.AttributeValue(selector, attribute, &value, &ok, chromedp.ByQuery))
	return ok
}

// patience is how long anything may take on a busy machine.
const patience = 20 * time.Second

// pause is between two looks at a page.
const pause = 30 * time.Millisecond

// until waits until a condition holds; pages may come and go meanwhile.
func (p page) until(what string, holds func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: it never was; the page is:\n%s", what, p.text("body"))
		}
		select {
		case <-p.t.Context().Done():
			p.t.Fatal(p.t.Context().Err())
		case <-time.After(pause):
		}
	}
}

// waitFor waits until an element has a text.
func (p page) waitFor(selector, text string) {
	p.t.Helper()
	p.until(selector+" has "+text, func() bool { return strings.Contains(p.text(selector), text) })
}

// waitForNothingIn waits until an element has no text.
func (p page) waitForNothingIn(selector string) {
	p.t.Helper()
	p.until(selector+" is empty", func() bool { return p.text(selector) == "" })
}

// want fails unless an element has a text now.
func (p page) want(selector, text string) {
	p.t.Helper()
	if got := p.text(selector); !strings.Contains(got, text) {
		p.t.Errorf("%s has %q, want %q in it", selector, got, text)
	}
}

// wantNone fails if there is any such element.
func (p page) wantNone(selector string) {
	p.t.Helper()
	var n int
	p.do(chromedp.Evaluate(fmt.Sprintf(`document.querySelectorAll(%q).length`, selector), &n))
	if n != 0 {
		p.t.Errorf("there are %d of %s, want none:\n%s", n, selector, p.text("body"))
	}
}

// uri is the connection string with its password that the page shows this once.
func (p page) uri() string {
	p.t.Helper()
	return p.text(".client:first-child code")
}

// connect is MongoDB's driver, connected.
func connect(t *testing.T, uri string) *mongo.Client {
	t.Helper()
	client, err := harness.Connect(t.Context(), uri)
	if err != nil {
		t.Fatalf("connect to %s: %v", uri, err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.WithoutCancel(t.Context())) })
	return client
}

// makeCluster makes a cluster by the API; it is destroyed when the test ends.
func makeCluster(t *testing.T, r *godo.DatabaseCreateRequest) *godo.Database {
	t.Helper()
	c, err := shared.Make(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	removeLater(t, c.ID)
	return c
}

// removeLater destroys a cluster when the test ends, unless it has been.
func removeLater(t *testing.T, id string) {
	t.Helper()
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := shared.Remove(ctx, id); err != nil {
			if gone := new(godo.ErrorResponse); !errors.As(err, &gone) || gone.Response.StatusCode != http.StatusNotFound {
				t.Errorf("destroy cluster %s: %v", id, err)
			}
		}
	})
}

// idOf is the id of the cluster of that name.
func idOf(t *testing.T, name string) string {
	t.Helper()
	list, _, err := shared.API.Databases.List(t.Context(), &godo.ListOptions{PerPage: 200})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.Name == name {
			return c.ID
		}
	}
	t.Fatalf("there is no cluster %s", name)
	return ""
}

func adminToken(t *testing.T) string {
	t.Helper()
	return adminTokenOf(t, shared)
}

func adminTokenOf(t *testing.T, tine *harness.Tine) string {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(tine.DataDir(), "admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(token))
}
