package logsink

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// verdict is what an intake did with a batch.
type verdict int

const (
	taken   verdict = iota
	later           // the same again after a pause
	refused         // the key is not valid
	tooLarge
	never // the batch can never be taken
)

// answer is an intake's verdict, and why.
type answer struct {
	verdict verdict
	reason  string        // without anything of what was sent
	pause   time.Duration // that the intake asks for
}

// send hands a batch to the intake.
func send(ctx context.Context, client *http.Client, url, key string, batch []entry) answer {
	body, err := encode(batch)
	if err != nil {
		return answer{verdict: never, reason: "it cannot be encoded"}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return answer{verdict: later, reason: "the intake's address is not valid"}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Content-Encoding", "gzip")
	r.Header.Set("User-Agent", "tine")
	r.Header.Set("Dd-Api-Key", key)
	response, err := client.Do(r)
	if err != nil {
		return answer{verdict: later, reason: err.Error()}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // for the next request on the connection
	_ = response.Body.Close()
	return judge(response)
}

func encode(batch []entry) ([]byte, error) {
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	if err := json.NewEncoder(z).Encode(batch); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}

func judge(response *http.Response) answer {
	a := answer{reason: fmt.Sprintf("the intake answered %d", response.StatusCode)}
	switch code := response.StatusCode; {
	case code < http.StatusMultipleChoices:
		a.verdict = taken
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		a.verdict = refused
	case code == http.StatusRequestEntityTooLarge:
		a.verdict = tooLarge
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= http.StatusInternalServerError, code < http.StatusBadRequest:
		a.verdict = later
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
			a.pause = min(time.Duration(seconds)*time.Second, longestPause)
		}
	default:
		a.verdict = never
	}
	return a
}
