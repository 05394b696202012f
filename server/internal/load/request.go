package load

import (
	"fmt"
	"net/http"
	"strconv"
)

// head is the constant part of a request: its line and headers but for the
// length of the body.
type head []byte

// newHead makes the head of a request with the headers given, name and value in
// turn.
func newHead(t Target, method, path string, headers ...string) head {
	h := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: writ-bench\r\n", method, path, t.Host)
	for i := 0; i+1 < len(headers); i += 2 {
		h = fmt.Appendf(h, "%s: %s\r\n", headers[i], headers[i+1])
	}
	return h
}

// empty appends the request without a body.
func (h head) empty(dst []byte) []byte { return append(append(dst, h...), "\r\n"...) }

// with appends the request with the pieces of a body.
func (h head) with(dst []byte, body ...string) []byte {
	length := 0
	for _, piece := range body {
		length += len(piece)
	}
	dst = append(append(dst, h...), "Content-Length: "...)
	dst = append(strconv.AppendInt(dst, int64(length), 10), "\r\n\r\n"...)
	for _, piece := range body {
		dst = append(dst, piece...)
	}
	return dst
}

// want is nil for the status 200.
func want(status int, body []byte) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return fmt.Errorf("%w: status %d", ErrRefused, status)
	}
	return fmt.Errorf("status %d: %.200q", status, body)
}

// fixed is a task that always asks the same and knows the status alone.
type fixed struct{ request []byte }

// Get is the task of asking for a path again and again; an answer is right if
// its status is 200.
func Get(t Target, path string) Task { return &fixed{newHead(t, http.MethodGet, path).empty(nil)} }

func (f *fixed) Request(dst []byte) []byte { return append(dst, f.request...) }

func (f *fixed) Answer(status int, body []byte) error { return want(status, body) }
