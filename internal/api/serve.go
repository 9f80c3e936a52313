package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"tine/internal/store"
)

// response is an answer that is no error.
type response struct {
	status int
	body   any // JSON, or yaml as it is; nil for none
}

// yaml is a body that is YAML already.
type yaml []byte

func ok(body any) (response, error) { return response{http.StatusOK, body}, nil }

func noContent() (response, error) { return response{status: http.StatusNoContent}, nil }

// info is what is known about a request while it is served.
type info struct {
	id    string
	token store.Token // the zero value until it is known
	made  string      // id of the cluster that the request made
}

type infoKey struct{}

func infoOf(r *http.Request) *info {
	if i, ok := r.Context().Value(infoKey{}).(*info); ok {
		return i
	}
	return &info{}
}

// sane is a request id that may be repeated in headers and logs.
var sane = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// identify gives each request its id and its line in the log, and an answer even if its handler panics.
func (s *server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := &info{id: r.Header.Get("X-Request-Id")}
		if !sane.MatchString(i.id) {
			i.id = uuid.NewString()
		}
		r = r.WithContext(context.WithValue(r.Context(), infoKey{}, i))
		w.Header().Set("X-Request-Id", i.id)
		recorder := &statusRecorder{ResponseWriter: w}
		start := s.clock()
		defer func() {
			if cause := recover(); cause != nil {
				s.log.ErrorContext(r.Context(), "request panicked", "request_id", i.id, "cause", cause)
				s.fail(recorder, r, &statusError{http.StatusInternalServerError, serverError})
			}
			s.log.InfoContext(r.Context(), "request served", "request_id", i.id, "token", i.token.Name, "method", r.Method,
				"path", r.URL.Path, "status", recorder.status, "duration", s.clock().Sub(start))
		}()
		next.ServeHTTP(recorder, r)
	})
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

// methods serves one path.
func (s *server) methods(path string, endpoints map[string]endpoint) http.Handler {
	allowed := strings.Join(slices.Sorted(maps.Keys(endpoints)), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet // net/http leaves the body out
		}
		e, exists := endpoints[method]
		if !exists {
			w.Header().Set("Allow", allowed)
			s.fail(w, r, &statusError{http.StatusMethodNotAllowed, "the method must be " + allowed + " for this path; got " + r.Method})
			return
		}
		if err := s.admit(w, r, e.scope); err != nil {
			s.fail(w, r, err)
			return
		}
		answer, err := s.answer(r, method+" "+path, e)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.write(w, r, answer.status, answer.body)
	})
}

func (s *server) answer(r *http.Request, action string, e endpoint) (response, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return e.serve(r)
	}
	return s.audited(r, action, e.serve)
}

func (s *server) write(w http.ResponseWriter, r *http.Request, status int, body any) {
	if body == nil {
		w.WriteHeader(status)
		return
	}
	if text, isYAML := body.(yaml); isYAML {
		w.Header().Set("Content-Type", "application/yaml")
		w.WriteHeader(status)
		_, _ = w.Write(text)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false) // URIs stay readable
	if err := encoder.Encode(body); err != nil {
		s.log.DebugContext(r.Context(), "client left before its answer", slog.Any("error", err))
	}
}

func quotePath(r *http.Request) string {
	const longest = 200
	path := r.URL.EscapedPath()
	return path[:min(len(path), longest)]
}
