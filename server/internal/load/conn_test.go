package load_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/writ-auth/writ/server/internal/load"
)

func TestAnswer(t *testing.T) {
	for wire, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello":                                             "hello",
		"HTTP/1.1 200 OK\r\ncontent-length:  0 \r\n\r\n":                                                "",
		"HTTP/1.1 200 OK\r\n\r\n":                                                                       "",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n": "abc0123456789",
	} {
		status, body, last, err := load.Answer(wire)
		if err != nil || status != 200 || string(body) != want || last {
			t.Errorf("%q: %d %q, last %v, %v", wire, status, body, last, err)
		}
	}
	if _, _, last, err := load.Answer("HTTP/1.1 503 x\r\nConnection: close\r\n\r\n"); err != nil || !last {
		t.Errorf("the last answer of a connection: last %v, %v", last, err)
	}
	for _, wire := range []string{
		"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HTTP/2 200\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n",
	} {
		if status, body, _, err := load.Answer(wire); err == nil {
			t.Errorf("%q was taken for %d %q", wire, status, body)
		}
	}
}

// FuzzAnswer: what is taken for an answer is what package net/http takes for
// it, too.
func FuzzAnswer(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
	f.Add("HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
	f.Add("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
	f.Fuzz(func(t *testing.T, wire string) {
		status, body, _, err := load.Answer(wire)
		if err != nil || strings.Count(strings.ToLower(wire), "content-length") > 1 {
			return
		}
		res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(wire)), nil)
		if err != nil {
			return // stricter than we
		}
		defer res.Body.Close()
		if res.StatusCode != status {
			t.Errorf("status %d, net/http reads %d", status, res.StatusCode)
		}
		if res.ContentLength <= 0 && len(res.TransferEncoding) == 0 {
			return // it reads such a body to the end of the connection
		}
		theirs, err := io.ReadAll(res.Body)
		if err == nil && !bytes.Equal(theirs, body) {
			t.Errorf("body %q, net/http reads %q", body, theirs)
		}
	})
}
