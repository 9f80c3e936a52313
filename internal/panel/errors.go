package panel

import (
	"errors"
	"net/http"

	"tine/internal/fleet"
)

// refusal is an answer that the panel gives on its own, without asking fleet.
type refusal struct {
	status         int
	title, message string
}

// Error implements error.
func (e *refusal) Error() string { return e.title + ": " + e.message }

// failure is what a page about an error shows.
type failure struct{ Message string }

// fail shows a page that says what went wrong; what is not for the visitor goes to the log.
func (p *panel) fail(w http.ResponseWriter, r *http.Request, f frame, err error) {
	status, title, message := explain(err)
	if status == http.StatusInternalServerError && r.Context().Err() == nil {
		p.log.ErrorContext(r.Context(), "page failed", "path", r.URL.Path, "error", err)
	}
	p.show(w, r, f, answer{status: status, page: "failure", title: title, data: failure{message}})
}

func explain(err error) (status int, title, message string) {
	var own *refusal
	var refused *fleet.Error
	switch {
	case errors.As(err, &own):
		return own.status, own.title, own.message
	case errors.As(err, &refused) && refused.Kind == fleet.NotFound:
		return http.StatusNotFound, "Not found", inWords(refused)
	case errors.As(err, &refused):
		return http.StatusConflict, "This cannot be done", inWords(refused)
	default:
		return http.StatusInternalServerError, "Something went wrong", "This is a failure of Tine, and its log says more. Nothing you typed is to blame; try again."
	}
}

func isNotFound(err error) bool {
	var refused *fleet.Error
	return errors.As(err, &refused) && refused.Kind == fleet.NotFound
}

// isRefusal says whether it is what somebody asked for that is wrong, and no failure.
func isRefusal(err error) bool {
	var refused *fleet.Error
	return errors.As(err, &refused)
}
