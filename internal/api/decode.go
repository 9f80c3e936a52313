package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"time"
)

const maxBody = 1 << 20

// decode reads a request's JSON body into v. Fields that v does not have are ignored: clients send more than we know.
func decode(r *http.Request, v any) error {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return &statusError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body must have at most %d bytes", maxBody)}
	}
	if err != nil {
		return &statusError{http.StatusBadRequest, "the body could not be read"}
	}
	err = json.Unmarshal(body, v)
	if wrongType, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &statusError{http.StatusUnprocessableEntity, typeMessage(wrongType)}
	}
	if err != nil {
		return &statusError{http.StatusBadRequest, "the body must be a JSON object: " + err.Error()}
	}
	return nil
}

func typeMessage(e *json.UnmarshalTypeError) string {
	field := e.Field
	if field == "" {
		field = "the body"
	}
	return fmt.Sprintf("%s must be %s; got %s", field, typeInWords(e.Type), e.Value)
}

func typeInWords(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	default:
		return "an object"
	}
}

// parseTime reads a moment as clients write it: RFC 3339 with any zone and fraction, or as Go's programs print it.
func parseTime(field, text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999 -0700 MST"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	const longest = 80
	return time.Time{}, &statusError{http.StatusUnprocessableEntity, fmt.Sprintf(
		"%s must be a time like 2026-08-01T18:42:27.123456Z; got %q", field, text[:min(len(text), longest)])}
}

// number reads a whole number of at least 1 from the query.
func number(query url.Values, name string, standard, most int) (int, error) {
	text := query.Get(name)
	if text == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, &statusError{http.StatusUnprocessableEntity, fmt.Sprintf("%s must be a whole number from 1 to %d", name, most)}
	}
	return n, nil
}

// flag reads true or false from the query.
func flag(query url.Values, name string) (bool, error) {
	switch query.Get(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, &statusError{http.StatusUnprocessableEntity, name + " must be true or false"}
	}
}
