package api

import (
	"net/http"
	"net/url"
	"strconv"

	"tine/internal/store"
)

const (
	// perPage is not DigitalOcean's 20: Terraform and others never ask for a second page of databases, and what is not on
	// the first one does not exist to them.
	perPage    = 200
	maxPerPage = 200
	maxPage    = 1_000_000
)

func pageOf(query url.Values) (page store.Page, err error) {
	if page.Number, err = number(query, "page", 1, maxPage); err != nil {
		return page, err
	}
	if page.Size, err = number(query, "per_page", perPage, maxPerPage); err != nil {
		return page, err
	}
	page.Tag = query.Get("tag_name")
	page.WithDestroying, err = flag(query, "include_destroying")
	return page, err
}

// paged answers with the page that a request asks for of a list that is there as a whole.
func paged[T any](r *http.Request, name string, list []T) (response, error) {
	page, err := pageOf(r.URL.Query())
	if err != nil {
		return response{}, err
	}
	first := min((page.Number-1)*page.Size, len(list))
	shown := list[first:min(first+page.Size, len(list))]
	if shown == nil {
		shown = []T{}
	}
	return ok(map[string]any{name: shown, "links": links(r, page, len(list)), "meta": map[string]int{"total": len(list)}})
}

// baseURL is how the client reached this server.
func baseURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// links leads to the other pages, if there are any.
func links(r *http.Request, page store.Page, total int) map[string]any {
	last := max((total+page.Size-1)/page.Size, 1)
	if last == 1 {
		return map[string]any{}
	}
	to := func(number int) string {
		query := r.URL.Query()
		query.Set("page", strconv.Itoa(number))
		return baseURL(r) + r.URL.EscapedPath() + "?" + query.Encode()
	}
	pages := map[string]string{}
	if page.Number > 1 {
		pages["first"], pages["prev"] = to(1), to(min(page.Number-1, last))
	}
	if page.Number < last {
		pages["next"], pages["last"] = to(page.Number+1), to(last)
	}
	return map[string]any{"pages": pages}
}
