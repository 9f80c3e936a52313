package api

import (
	"errors"
	"net/http"

	"tine/internal/fleet"
)

// serverError is all that a client learns about a failure of ours; the log has the rest.
const serverError = "Server Error"

// statusError is an answer that the API gives on its own, without asking fleet.
type statusError struct {
	status  int
	message string
}

// Error implements error.
func (e *statusError) Error() string { return e.message }

// errorBody is DigitalOcean's.
type errorBody struct {
	ID        string `json:"id"`
	Message   string `json:"message"`
	RequestID string `json:"request_id"`
}

// fail answers with an error; what is not for the client goes to the log.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, message := statusOf(err)
	i := infoOf(r)
	if status == http.StatusInternalServerError && r.Context().Err() == nil {
		s.log.ErrorContext(r.Context(), "request failed", "request_id", i.id, "error", err)
	}
	s.write(w, r, status, errorBody{ID: errorID(status), Message: message, RequestID: i.id})
}

func statusOf(err error) (status int, message string) {
	var own *statusError
	var refused *fleet.Error
	switch {
	case errors.As(err, &own):
		return own.status, own.message
	case errors.As(err, &refused):
		return statusOfKind(refused.Kind), refused.Message
	default:
		return http.StatusInternalServerError, serverError
	}
}

func statusOfKind(kind fleet.Kind) int {
	switch kind {
	case fleet.Invalid:
		return http.StatusUnprocessableEntity
	case fleet.NotFound:
		return http.StatusNotFound
	case fleet.NotReady:
		return http.StatusPreconditionFailed
	case fleet.Full:
		return http.StatusConflict
	default:
		return http.StatusInternalServerError
	}
}

func errorID(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "bad_request"
	case http.StatusUnauthorized:
		return "unauthorized"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusNotFound:
		return "not_found"
	case http.StatusMethodNotAllowed:
		return "method_not_allowed"
	case http.StatusConflict:
		return "conflict"
	case http.StatusPreconditionFailed:
		return "precondition_failed"
	case http.StatusRequestEntityTooLarge:
		return "payload_too_large"
	case http.StatusUnprocessableEntity:
		return "unprocessable_entity"
	case http.StatusTooManyRequests:
		return "too_many_requests"
	case http.StatusServiceUnavailable:
		return "service_unavailable"
	default:
		return "server_error"
	}
}
