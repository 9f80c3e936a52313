package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/digitalocean/godo"
)

// The exit codes, as the help of the root command lists them.
const (
	exitOK           = 0
	exitFailed       = 1
	exitUsage        = 2
	exitNotFound     = 3
	exitRefused      = 4
	exitUnauthorized = 5
	exitUnreachable  = 6
	exitTimedOut     = 7
	exitInterrupted  = 130 // as a shell reports a program that SIGINT ended
)

// usageError is a command line that can never work.
type usageError struct{ message string }

// Error implements error.
func (e *usageError) Error() string { return e.message }

// notFoundError says what there is none of.
type notFoundError struct{ kind, name string }

// Error implements error.
func (e *notFoundError) Error() string { return fmt.Sprintf("there is no %s %q", e.kind, e.name) }

var (
	errUnauthorized = errors.New("no token")
	errTimedOut     = errors.New("timed out")
)

// exitCode says how a command ended.
func exitCode(err error) int {
	var usage *usageError
	var missing *notFoundError
	var answer *godo.ErrorResponse
	var transport *url.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, errTimedOut):
		return exitTimedOut
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &missing):
		return exitNotFound
	case errors.Is(err, errUnauthorized):
		return exitUnauthorized
	case errors.As(err, &answer) && answer.Response != nil:
		return exitCodeOfStatus(answer.Response.StatusCode)
	case errors.As(err, &transport):
		return exitUnreachable
	default:
		return exitFailed
	}
}

func exitCodeOfStatus(status int) int {
	switch status {
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitUnauthorized
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return exitUnreachable
	}
	if status >= http.StatusBadRequest && status < http.StatusInternalServerError && status != http.StatusTooManyRequests {
		return exitRefused
	}
	return exitFailed
}

// sentence is what a person needs to know of an error. The API's own sentences stand for themselves; the request they answered
// is of use only when the fault is not the user's.
func sentence(err error) string {
	var answer *godo.ErrorResponse
	var transport *url.Error
	switch {
	case errors.Is(err, errTimedOut), !errors.As(err, &answer) && !errors.As(err, &transport):
		return err.Error()
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case transport != nil:
		return fmt.Sprintf("the API could not be reached: %s; is `tine up` running?", transport)
	case answer.Response != nil && answer.Response.StatusCode >= http.StatusInternalServerError:
		return fmt.Sprintf("the API failed: %s (request %s; see the log of tine up)", answer.Message, answer.RequestID)
	default:
		return answer.Message
	}
}
