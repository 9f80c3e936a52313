package contract

import (
	"bytes"
	"io"
	"net/http"
)

// Handler reports each exchange of next that is not as described.
func (c *Contract) Handler(next http.Handler, report func(error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var sent bytes.Buffer
		request := r.Clone(r.Context())
		r.Body = tee{io.TeeReader(r.Body, &sent), r.Body}
		recorder := &recorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)
		header := w.Header().Clone()
		if header.Get("Content-Type") == "" && recorder.body.Len() > 0 {
			header.Set("Content-Type", http.DetectContentType(recorder.body.Bytes())) // as net/http does when it sends it
		}
		err := c.Check(r.Context(), Exchange{
			Request: request, RequestBody: sent.Bytes(), Status: recorder.status, Header: header, Body: recorder.body.Bytes(),
		})
		if err != nil {
			report(err)
		}
	})
}

// tee keeps what was read of a body.
type tee struct {
	io.Reader
	io.Closer
}

// recorder keeps an answer while it is written.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	_, _ = r.body.Write(p)
	return r.ResponseWriter.Write(p)
}
