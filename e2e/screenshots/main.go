// Command screenshots makes pictures of every page of the control panel: in light and dark, on a desktop and on a phone.
//
//	go run ./e2e/screenshots DIRECTORY
//
// It starts a Tine of its own, lets a shop work on it for a while, drops a collection and forks it back, as make demo does. What is
// to be seen on the pictures has happened.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/chromedp/chromedp"

	"tine/e2e/chrome"
	"tine/e2e/harness"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "screenshots: want the directory to write to")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tine, err := harness.New(harness.Options{Config: "insights:\n  interval: 1s\n"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tine.Destroy(context.WithoutCancel(ctx))) }()
	if err := tine.Start(ctx); err != nil {
		return err
	}
	shop, err := work(ctx, tine)
	if err != nil {
		return err
	}
	browser, err := chrome.Start(ctx)
	if err != nil {
		return err
	}
	defer browser.Close()
	p, err := browser.Open(tine.URL)
	if err != nil {
		return err
	}
	defer p.Close()
	return shoot(p, dir, tine, shop)
}

// shot is a picture to make: a page, and what is done on it before.
type shot struct {
	name, path string
	prepare    []chromedp.Action
	fold       bool // only what is seen at first
}

// shots are all pages.
func shots(id string) []shot {
	database := "/databases/" + id
	click := func(selector string) chromedp.Action { return chromedp.Click(selector, chromedp.ByQuery) }
	return []shot{
		{name: "databases", path: "/databases"},
		{name: "menu", path: "/databases", prepare: []chromedp.Action{click("tbody tr:nth-child(2) .menu summary")}},
		{name: "create", path: "/databases/new"},
		{name: "overview", path: database},
		{name: "users", path: database + "/users"},
		{name: "history", path: database + "/history"},
		{name: "insights", path: database + "/insights"},
		{name: "logs", path: database + "/logs"},
		{name: "events", path: database + "/events"},
		{name: "settings", path: database + "/settings"},
		{name: "resize", path: database + "/resize"},
		{name: "destroy", path: database + "/destroy"},
		{name: "restore", path: database + "/restore"},
		{name: "swap", path: database + "/swap"},
		{name: "fork-latest", path: database + "/fork"},
		{name: "fork", path: database + "/fork", prepare: []chromedp.Action{
			click("#state-point"), chromedp.WaitVisible("tr.drop button", chromedp.ByQuery), click("tr.drop button"), settled(),
		}},
		{name: "fork-fold", path: database + "/fork", fold: true, prepare: []chromedp.Action{
			click("#state-point"), chromedp.WaitVisible("tr.drop button", chromedp.ByQuery), click("tr.drop button"), settled(),
			chromedp.Evaluate(`document.activeElement.blur(); scrollTo(0, 0)`, nil),
		}},
		{name: "fork-wrong", path: database + "/fork", prepare: []chromedp.Action{
			click("#state-point"), chromedp.Clear("#name", chromedp.ByQuery), chromedp.SendKeys("#name", "Shop_1", chromedp.ByQuery),
			chromedp.WaitVisible("#name-wrong:not(:empty)", chromedp.ByQuery),
		}},
		{name: "billing", path: "/billing"},
		{name: "tokens", path: "/tokens"},
		{name: "audit", path: "/audit"},
		{name: "missing", path: "/nothing"},
	}
}

// settled waits until no request of the page is under way.
func settled() chromedp.Action {
	return chromedp.PollFunction(`() => !document.querySelector(".htmx-request")`, nil)
}

func shoot(p *chrome.Page, dir string, tine *harness.Tine, shop string) error {
	token, err := os.ReadFile(filepath.Join(tine.DataDir(), "admin-token"))
	if err != nil {
		return err
	}
	for i, look := range looks() {
		if err := p.Do(chrome.Scheme(look.scheme), chrome.Size(look.width, look.height)); err != nil {
			return err
		}
		if i == 0 {
			if err := logIn(p, dir, look.name, strings.TrimSpace(string(token))); err != nil {
				return err
			}
		}
		for _, s := range shots(shop) {
			if err := p.Go(s.path); err != nil {
				return err
			}
			if err := p.Do(s.prepare...); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			take := p.Screenshot
			if s.fold {
				take = p.Fold
			}
			if err := save(take, dir, s.name+"-"+look.name); err != nil {
				return err
			}
		}
		if err := fork(p, dir, shop, look.name); err != nil {
			return err
		}
	}
	return p.Trouble()
}

func logIn(p *chrome.Page, dir, look, token string) error {
	if err := p.Go("/login"); err != nil {
		return err
	}
	if err := save(p.Screenshot, dir, "login-"+look); err != nil {
		return err
	}
	return p.Do(chromedp.SendKeys("#token", token+"\n", chromedp.ByQuery), chromedp.WaitVisible(".visitor", chromedp.ByQuery))
}

type look struct {
	name, scheme  string
	width, height int64
}

func looks() []look {
	return []look{
		{"desktop-light", "light", 1280, 900},
		{"desktop-dark", "dark", 1280, 900},
		{"phone-light", "light", 390, 844},
		{"phone-dark", "dark", 390, 844},
	}
}

// fork shows what comes after the button.
func fork(p *chrome.Page, dir, shop, look string) error {
	if err := p.Go("/databases/" + shop + "/fork"); err != nil {
		return err
	}
	name := "shop-" + strconv.FormatInt(time.Now().UnixMilli()%1e6, 10)
	err := p.Do(
		chromedp.Click("#state-point", chromedp.ByQuery), chromedp.Click("tr.drop button", chromedp.ByQuery),
		chromedp.SetValue("#name", name, chromedp.ByQuery),
		chromedp.Click(".actions .primary", chromedp.ByQuery), chromedp.WaitVisible(".online-now", chromedp.ByQuery),
	)
	if err != nil {
		return fmt.Errorf("fork: %w", err)
	}
	return save(p.Screenshot, dir, "created-"+look)
}

func save(take func() ([]byte, error), dir, name string) error {
	png, err := take()
	if err != nil {
		return fmt.Errorf("picture of %s: %w", name, err)
	}
	return os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
}
