package api

import (
	"encoding/json"
	"net/http"
	"time"
)

// expiryBody says when a cluster is destroyed; null is for never. A body without either, as by a name that is not written right, must not mean that.
type expiryBody struct {
	InSeconds *int64  `json:"expires_in_seconds"`
	At        *string `json:"expires_at"`

	inSecondsGiven, atGiven bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (b *expiryBody) UnmarshalJSON(text []byte) error {
	type fields expiryBody // without this method
	if err := json.Unmarshal(text, (*fields)(b)); err != nil {
		return err //nolint:wrapcheck // decode says it in words
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(text, &given); err != nil {
		return err //nolint:wrapcheck // as above
	}
	_, b.inSecondsGiven = given["expires_in_seconds"]
	_, b.atGiven = given["expires_at"]
	return nil
}

func twoExpiries() error {
	return &statusError{http.StatusUnprocessableEntity, "expires_in_seconds and expires_at must not both be given"}
}

// putExpiry is ours: it changes when a cluster is destroyed by itself.
func (s *server) putExpiry(r *http.Request) (response, error) {
	received := s.clock()
	var body expiryBody
	if err := s.change(r, &body); err != nil {
		return response{}, err
	}
	var at *time.Time
	var err error
	id := r.PathValue("id")
	switch {
	case !body.inSecondsGiven && !body.atGiven:
		return response{}, &statusError{http.StatusUnprocessableEntity, "expires_in_seconds or expires_at must be given; null is for never"}
	case body.inSecondsGiven && body.atGiven:
		return response{}, twoExpiries()
	case body.InSeconds != nil:
		at, err = s.fleet.SetLife(r.Context(), id, received, secondsOf(*body.InSeconds))
	case body.At != nil:
		var moment time.Time
		if moment, err = parseTime("expires_at", *body.At); err == nil {
			at, err = &moment, s.fleet.SetExpiry(r.Context(), id, &moment)
		}
	default:
		err = s.fleet.SetExpiry(r.Context(), id, nil)
	}
	if err != nil {
		return response{}, err
	}
	return ok(map[string]*string{"expires_at": secondsOrNull(at)})
}
