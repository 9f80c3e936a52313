package panel

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

type tokensView struct {
	Tokens []tokenRow
	Form   form
	Made   string // name of the token that was just made
	Secret string // of it: in the answer to the request that made it and nowhere else
	Scopes []choice
}

type tokenRow struct {
	store.Token
	Access string
	Own    bool // it is the visitor's
}

func (p *panel) listTokens(v visit) (answer, error) { return p.tokensPage(v, tokensView{}) }

func (p *panel) tokensPage(v visit, view tokensView) (answer, error) {
	list, err := p.fleet.Tokens(v.context())
	if err != nil {
		return answer{}, err
	}
	for _, t := range list {
		row := tokenRow{Token: t, Access: strings.Join(t.Scopes, ", "), Own: t.ID == v.token.ID}
		if access := (visit{token: t}).access(); access != "limited" {
			row.Access = access
		}
		view.Tokens = append(view.Tokens, row)
	}
	chosen := view.Form.values["scopes"]
	for _, scope := range append([]string{store.ScopeRead, store.ScopeWrite}, store.Scopes()...) {
		view.Scopes = append(view.Scopes, choice{Value: scope, Label: scope, Selected: slices.Contains(chosen, scope)})
	}
	a := answer{status: view.Form.status(), page: "tokens", title: "Tokens", data: view}
	if view.Secret != "" {
		a.status = http.StatusCreated
	}
	return a, nil
}

func (p *panel) createToken(v visit) (answer, error) {
	f := sentForm(v.request)
	request := fleet.TokenRequest{Name: strings.TrimSpace(f.Value("name")), Scopes: f.values["scopes"]}
	if text := strings.TrimSpace(f.Value("expires_at")); text != "" {
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return p.tokensPage(v, tokensView{Form: f.wrong("expires_at", "The end must be a date such as 2027-01-31, or empty; got %q.", shortened(text))})
		}
		request.Expires = &at
	}
	secret, made, err := p.fleet.CreateToken(v.context(), request)
	if err != nil {
		if f, err = f.refused(err); err != nil {
			return answer{}, err
		}
		return p.tokensPage(v, tokensView{Form: f})
	}
	return p.tokensPage(v, tokensView{Made: made.Name, Secret: secret})
}

type revokeView struct {
	Token store.Token
	Own   bool
}

func (p *panel) askRevoke(v visit) (answer, error) {
	list, err := p.fleet.Tokens(v.context())
	if err != nil {
		return answer{}, err
	}
	for _, t := range list {
		if t.ID == v.request.PathValue("token") {
			return answer{page: "revoke", title: "Revoke " + t.Name, data: revokeView{t, t.ID == v.token.ID}}, nil
		}
	}
	return answer{}, &refusal{http.StatusNotFound, "Not found", "There is no such token; it may have been revoked already."}
}

func (p *panel) revokeToken(v visit) (answer, error) {
	if err := p.fleet.RevokeToken(v.context(), v.request.PathValue("token")); err != nil {
		return answer{}, err
	}
	return redirect("/tokens?done=revoked"), nil
}
