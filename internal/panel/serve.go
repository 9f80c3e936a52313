package panel

import (
	"context"
	"crypto/subtle"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tine/internal/store"
)

// maxForm is how many bytes a form may have; ours have some hundred.
const maxForm = 64 << 10

// visit is one request of someone who has logged in.
type visit struct {
	request  *http.Request
	session  session
	token    store.Token
	received time.Time
}

func (v visit) context() context.Context { return v.request.Context() }

func (v visit) id() string { return v.request.PathValue("id") }

// part is which part of a page the browser asks for; empty: a whole page.
func (v visit) part() string {
	if v.request.Header.Get("HX-Request") != "true" {
		return ""
	}
	return v.request.Header.Get("HX-Target")
}

// answer is what a handler chose: a page, or another place to go to.
type answer struct {
	location string // where to go to; if it is set, there is no page
	forget   bool   // whether the browser shall forget its session
	status   int    // 0: 200
	page     string // name of the template
	part     string // name of the template within the page, if no more than that was asked for
	file     []byte // a file to keep, in place of a page
	name     string // of the file
	made     string // id of the cluster that was made
	title    string
	done     string // what has just been done, in a sentence
	reload   bool   // whether the browser shall load the page around the part again
	refresh  int    // seconds after which the browser asks again; 0: it does not
	data     any    // what the template shows
}

func redirect(location string) answer { return answer{location: location} }

// access is what the visitor may do, in a word.
func (v visit) access() string {
	switch {
	case v.token.Allows(store.ScopeAdmin):
		return store.ScopeAdmin
	case allowsAll(v.token, store.ScopeWrite):
		return store.ScopeWrite
	case allowsAll(v.token, store.ScopeRead):
		return store.ScopeRead
	default:
		return "limited"
	}
}

func allowsAll(t store.Token, scopes string) bool {
	return !slices.ContainsFunc(store.Expand(scopes), func(scope string) bool { return !t.Allows(scope) })
}

type handler func(visit) (answer, error)

// route is what answers one method of one path.
type route struct {
	scope string // that the token needs, the one that the API asks for; empty: any token will do
	serve handler
	quiet bool // a form that changes nothing is not in the audit log
}

// admitted serves those whose token has the scope.
func (r route) admitted(v visit) (answer, error) {
	if r.scope != "" && !v.token.Allows(r.scope) {
		return answer{}, &refusal{
			http.StatusForbidden, "Your token may not do this",
			"It needs a token with the scope " + r.scope + "; yours has " + strings.Join(v.token.Scopes, ", ") + ".",
		}
	}
	return r.serve(v)
}

// note is what is known about a request for its line in the log.
type note struct{ token string }

type noteKey struct{}

func noteOf(r *http.Request) *note {
	if n, ok := r.Context().Value(noteKey{}).(*note); ok {
		return n
	}
	return &note{}
}

// observe gives each answer the security headers, each request its line in the log, and an answer even if its handler panics.
func (p *panel) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := &note{}
		r = r.WithContext(context.WithValue(r.Context(), noteKey{}, n))
		setSecurityHeaders(w.Header())
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		start := p.clock()
		defer func() {
			if cause := recover(); cause != nil {
				p.log.ErrorContext(r.Context(), "page panicked", "cause", cause)
				p.fail(recorder, r, frame{}, errors.New("panic"))
			}
			// The path and never the query: what someone typed there may be anything.
			p.log.InfoContext(r.Context(), "page served", "token", n.token, "method", r.Method,
				"path", r.URL.Path, "status", recorder.status, "duration", p.clock().Sub(start))
		}()
		next.ServeHTTP(recorder, r)
	})
}

func setSecurityHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	// Not no-referrer: with that, browsers send forms with the origin null, which no server can tell from a stranger's.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}

// statusRecorder remembers the status for the log.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// loggedIn serves those who have a session, and sends the others to the log-in.
func (p *panel) loggedIn(to route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		received := p.clock()
		if err := p.readForm(w, r); err != nil {
			p.fail(w, r, frame{}, err)
			return
		}
		s, ok := p.sessions.find(cookieValue(r, sessionCookie))
		if !ok {
			p.toLogIn(w, r)
			return
		}
		token, err := p.auth.Authenticate(r.Context(), s.secret)
		if errors.Is(err, store.ErrUnauthorized) {
			p.sessions.end(s.id)
			p.toLogIn(w, r)
			return
		}
		if err != nil {
			p.fail(w, r, frame{}, err)
			return
		}
		noteOf(r).token = token.Name
		v := visit{request: r, session: s, token: token, received: received}
		f := frame{Visitor: token.Name, Scope: v.access(), CSRF: s.csrf, Path: r.URL.Path, token: token}
		if r.Method == http.MethodPost && !sameText(r.PostForm.Get("csrf"), s.csrf) {
			p.fail(w, r, f, staleForm())
			return
		}
		a, err := p.serve(v, to)
		a.done = doneInWords(r.URL.Query().Get("done"))
		if a.forget {
			setCookie(w, r, sessionCookie, "")
		}
		p.answer(w, r, f, a, err)
	})
}

// open serves those who have no session yet.
func (p *panel) open(serve func(http.ResponseWriter, *http.Request) (answer, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := p.readForm(w, r); err != nil {
			p.fail(w, r, frame{}, err)
			return
		}
		a, err := serve(w, r)
		p.answer(w, r, frame{}, a, err)
	})
}

func (p *panel) answer(w http.ResponseWriter, r *http.Request, f frame, a answer, err error) {
	switch {
	case err != nil:
		p.fail(w, r, f, err)
	case a.file != nil:
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": a.name}))
		_, _ = w.Write(a.file)
	case a.location != "":
		http.Redirect(w, r, a.location, http.StatusSeeOther)
	default:
		if a.reload {
			w.Header().Set("HX-Refresh", "true")
		}
		p.show(w, r, f, a)
	}
}

// readForm reads the body of a form that one of our pages sent.
func (p *panel) readForm(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return nil
	}
	if err := p.origins.Check(r); err != nil {
		return &refusal{http.StatusForbidden, "This form came from elsewhere", "Only the pages of this control panel may send forms to it."}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return &refusal{http.StatusBadRequest, "This form cannot be read", "Go back, load the page again and repeat what you did."}
	}
	return nil
}

func staleForm() error {
	return &refusal{
		http.StatusForbidden, "This form is out of date",
		"It was made before you logged in, or by another page. Nothing was done. Go back, load the page again and repeat what you did.",
	}
}

// toLogIn remembers where someone wanted to go. What was to be changed must be asked for again.
func (p *panel) toLogIn(w http.ResponseWriter, r *http.Request) {
	location := logInPath
	if r.Header.Get("HX-Request") == "true" {
		// A part of a page cannot be the log-in: the browser is to load that as a page.
		w.Header().Set("HX-Redirect", location)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if here := r.URL.Path; r.Method == http.MethodGet && mayFollow(here) {
		location += "?" + url.Values{"next": {here}}.Encode()
	}
	http.Redirect(w, r, location, http.StatusSeeOther)
}

// sameText takes the same time whatever the texts have in common.
func sameText(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
