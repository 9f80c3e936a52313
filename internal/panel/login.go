package panel

import (
	"errors"
	"net/http"
	"regexp"
	"strings"

	"tine/internal/store"
)

const (
	logInPath = "/login"
	homePath  = "/databases"
)

// followed is where a log-in may lead to: pages of ours, and nothing that a browser could read as another host.
var followed = regexp.MustCompile(`^/(databases|billing|tokens|audit)(/[a-z0-9-]+)*$`)

func mayFollow(path string) bool { return followed.MatchString(path) }

type logInView struct {
	CSRF string
	Next string
	Form form
}

func (p *panel) askLogIn(w http.ResponseWriter, r *http.Request) (answer, error) {
	if _, ok := p.sessions.find(cookieValue(r, sessionCookie)); ok {
		return redirect(homePath), nil
	}
	return p.logInPage(w, r, r.URL.Query().Get("next"), form{})
}

// logInPage shows the form. There is no session yet that could hold its CSRF token, so a cookie does: another site can neither read nor set it.
func (p *panel) logInPage(w http.ResponseWriter, r *http.Request, next string, f form) (answer, error) {
	csrf := cookieValue(r, loginCookie)
	if csrf == "" {
		var err error
		if csrf, err = nonce(p.random); err != nil {
			return answer{}, err
		}
		setCookie(w, r, loginCookie, csrf)
	}
	if !mayFollow(next) {
		next = ""
	}
	a := answer{page: "login", title: "Log in", data: logInView{CSRF: csrf, Next: next, Form: f}}
	if f.Problem != "" {
		a.status = http.StatusUnauthorized
	}
	return a, nil
}

func (p *panel) logIn(w http.ResponseWriter, r *http.Request) (answer, error) {
	if csrf := cookieValue(r, loginCookie); csrf == "" || !sameText(r.PostForm.Get("csrf"), csrf) {
		return answer{}, staleForm()
	}
	secret, next := strings.TrimSpace(r.PostForm.Get("token")), r.PostForm.Get("next")
	token, err := p.auth.Authenticate(r.Context(), secret)
	if errors.Is(err, store.ErrUnauthorized) {
		// The form does not get back what was typed: it may be another secret, pasted by mistake.
		return p.logInPage(w, r, next, form{Field: "token", Problem: "Unknown token. It must be complete, from tine_v1_ on, and not revoked."})
	}
	if err != nil {
		return answer{}, err
	}
	s, err := p.sessions.begin(secret)
	if err != nil {
		return answer{}, err
	}
	noteOf(r).token = token.Name
	p.sessions.end(cookieValue(r, sessionCookie))
	setCookie(w, r, sessionCookie, s.id)
	setCookie(w, r, loginCookie, "")
	if !mayFollow(next) {
		next = homePath
	}
	return redirect(next), nil
}

func (p *panel) logOut(v visit) (answer, error) {
	p.sessions.end(v.session.id)
	return answer{location: logInPath, forget: true}, nil
}
