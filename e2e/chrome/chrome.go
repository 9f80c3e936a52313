// Package chrome drives Debian's chromium, for the tests of the control panel and for its screenshots. It knows browsers and
// nothing of Tine.
//
// One process has many pages, each with cookies of its own. A page remembers what must not happen on any: script errors, what the Content-Security-Policy
// stopped, requests to other hosts.
package chrome

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// Browser is a chromium that runs.
type Browser struct {
	ctx    context.Context //nolint:containedctx // chromedp keeps its browser in one
	cancel []context.CancelFunc
}

// Start starts chromium. The caller closes it.
func Start(ctx context.Context) (*Browser, error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("force-color-profile", "srgb"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // chromium refuses to have one as root
	}
	b := &Browser{}
	ctx, cancel := chromedp.NewExecAllocator(ctx, options...)
	b.cancel = append(b.cancel, cancel)
	b.ctx, cancel = chromedp.NewContext(ctx)
	b.cancel = append(b.cancel, cancel)
	if err := chromedp.Run(b.ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("start chromium: %w", err)
	}
	return b, nil
}

// Close ends chromium.
func (b *Browser) Close() {
	for i := range b.cancel {
		b.cancel[len(b.cancel)-1-i]()
	}
}

// patience is how long anything on a page may take.
const patience = 20 * time.Second

// Page is a tab with cookies of its own. Its methods may not be called concurrently.
type Page struct {
	ctx    context.Context //nolint:containedctx // chromedp keeps its tab in one
	cancel context.CancelFunc
	base   *url.URL

	mu      sync.Mutex
	trouble []string
}

// Open opens a tab for the pages of a server.
func (b *Browser) Open(base string) (*Page, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	tab, err := b.newTab()
	if err != nil {
		return nil, fmt.Errorf("open page: %w", err)
	}
	p := &Page{base: u}
	p.ctx, p.cancel = chromedp.NewContext(b.ctx, chromedp.WithTargetID(tab))
	chromedp.ListenTarget(p.ctx, p.watch)
	// The first run's context is the tab's for good: it must not be one that ends.
	if err := chromedp.Run(p.ctx); err != nil {
		p.cancel()
		return nil, fmt.Errorf("open page: %w", err)
	}
	if err := p.Do(network.Enable(), log.Enable(), emulation.SetFocusEmulationEnabled(true), Size(1280, 900)); err != nil {
		p.cancel()
		return nil, fmt.Errorf("open page: %w", err)
	}
	return p, nil
}

// newTab makes a tab with cookies of its own. It is a window, too: chromium makes no first tab of a browser context without one.
func (b *Browser) newTab() (target.ID, error) {
	ctx := cdp.WithExecutor(b.ctx, chromedp.FromContext(b.ctx).Browser)
	own, err := target.CreateBrowserContext().WithDisposeOnDetach(true).Do(ctx)
	if err != nil {
		return "", err
	}
	return target.CreateTarget("about:blank").WithBrowserContextID(own).WithNewWindow(true).Do(ctx)
}

// Close closes the tab.
func (p *Page) Close() { p.cancel() }

// watch notes what must not happen.
func (p *Page) watch(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.trouble = append(p.trouble, "script failed: "+e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		// Refusals of forms are answered with their status, which chromium logs.
		if e.Entry.Level == log.LevelError && e.Entry.Source != log.SourceNetwork {
			p.trouble = append(p.trouble, "console: "+e.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Host != "" && u.Host != p.base.Host {
			p.trouble = append(p.trouble, "request to another host: "+e.Request.URL)
		}
	}
}

// Trouble is what happened that must not.
func (p *Page) Trouble() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.trouble) == 0 {
		return nil
	}
	return errors.New(strings.Join(p.trouble, "\n"))
}

// Do carries out actions, in time.
func (p *Page) Do(actions ...chromedp.Action) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, actions...)
}

// Go loads a page of the server.
func (p *Page) Go(path string) error {
	if err := p.Do(chromedp.Navigate(p.base.String() + path)); err != nil {
		return fmt.Errorf("go to %s: %w", path, err)
	}
	return nil
}

// Location is the path and query of the page.
func (p *Page) Location() (string, error) {
	var location string
	if err := p.Do(chromedp.Location(&location)); err != nil {
		return "", err
	}
	return strings.TrimPrefix(location, p.base.String()), nil
}

// Evaluate runs a script that is no part of the page, and puts what it returns into result.
func (p *Page) Evaluate(script string, result any) error {
	return p.Do(chromedp.Evaluate(script, result, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
}

// Size sets the size of the window.
func Size(width, height int64) chromedp.Action {
	const phone = 600
	return chromedp.EmulateViewport(width, height, func(m *emulation.SetDeviceMetricsOverrideParams, _ *emulation.SetTouchEmulationEnabledParams) {
		m.Mobile = width < phone
	})
}

// Scheme sets the color scheme that the page is asked for: light or dark.
func Scheme(scheme string) chromedp.Action {
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}})
}

// Scripts turns scripts of pages on or off, from the next page on.
func Scripts(on bool) chromedp.Action { return emulation.SetScriptExecutionDisabled(!on) }

// Screenshot is a picture of the whole page, as PNG.
func (p *Page) Screenshot() ([]byte, error) {
	const best = 100
	var png []byte
	err := p.Do(chromedp.FullScreenshot(&png, best))
	return png, err
}

// Fold is a picture of what the window shows of the page, as PNG.
func (p *Page) Fold() ([]byte, error) {
	var png []byte
	err := p.Do(chromedp.CaptureScreenshot(&png))
	return png, err
}
