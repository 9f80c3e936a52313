// Package panel is the control panel: pages that are rendered here, with htmx and a small script for what moves, and nothing from any other host.
//
// # Protocol
//
// A request passes, in this order: the security headers and its line in the log, the route, the check that a form was sent by
// one of our own pages, the session, the session's token, the form's CSRF token, the token's scope, the handler. Handlers decode,
// call fleet and choose a page; they hold no rules. What fleet refuses is shown in its words, next to the field it is about.
//
// Each route names the scope that the API asks for the same; who lacks it sees no button that leads there. Forms that only ask what would happen
// (paths that end in /preview) change nothing and are not in the audit log. htmx asks for a part of a page by the id of the element that
// it is to replace; without scripts the same form is answered with all of the page.
//
// A session begins with a token and is no more than that token: on each request the token is looked up again, so a token
// that is revoked, or whose secret is replaced, ends its sessions at once. Sessions live in memory and end after 12 hours, or with the process.
// The cookie holds a random id and nothing else; the API does not take it.
//
// A password is in the page that answers the request that made it, and nowhere else: no URL, no log, no session.
// Pages are never cached.
//
// # How to mount it
//
// The handler serves /, /login, /logout, /databases, /billing, /tokens and below, /audit, and /assets/. Everything else under / is a page that says so;
// so the API must be mounted beside it with longer patterns: /v2/, /healthz and /readyz.
//
// # What callers must not do
//
// Callers must not serve other applications from the same host name under a path: pages trust what has their origin.
package panel
