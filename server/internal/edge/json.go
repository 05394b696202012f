package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/writ-auth/writ/server/internal/auth"
)

const (
	typeJSON    = "application/json"
	typeProblem = "application/problem+json"
)

// MaxBody is the most bytes that a request body may have.
const MaxBody = 64 << 10

// ReadJSON reads the body of r into dst, a pointer to a struct. The body must
// be application/json of at most MaxBody bytes, and one strict JSON object: no
// duplicate or unknown members, names exact in letter case, nothing after it.
// A null is refused where dst has a value to be set: leaving the member out says
// the same and can't be misread. The errors name the member and never repeat a
// value, which may be a password.
func ReadJSON(w http.ResponseWriter, r *http.Request, dst any) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return auth.Errorf(auth.CodeInvalid, "the request has no body; send a JSON object")
	}
	return decodeBody(r, body, dst)
}

// ReadOptionalJSON is ReadJSON for a request that may come without a body (a
// refresh by cookie). It reports whether there was one; without, dst stays as
// it is and no content type is needed.
func ReadOptionalJSON(w http.ResponseWriter, r *http.Request, dst any) (bool, error) {
	body, err := readBody(w, r)
	if err != nil || len(body) == 0 {
		return false, err
	}
	return true, decodeBody(r, body, dst)
}

// readBody reads at most MaxBody bytes. A body that says it is larger isn't
// read at all, and the connection is closed after the answer.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > MaxBody {
		w.Header().Set("Connection", "close")
		return nil, tooLarge(MaxBody)
	}
	body, err := readAll(w, r)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, tooLarge(MaxBody)
	}
	if err != nil {
		return nil, &auth.Error{Code: auth.CodeInvalid, Message: "the request body could not be read", Err: err}
	}
	return body, nil
}

// maxAtOnce is how many bytes are made room for on the word of a client, which is
// more than nearly every body has. Who announces more and is slow to send it, on
// thousands of connections, doesn't have us hold memory for that.
const maxAtOnce = 4 << 10

// readAll reads a body whose length is stated into as many bytes.
func readAll(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength < 0 || r.ContentLength > maxAtOnce {
		return io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}

func decodeBody(r *http.Request, body []byte, dst any) error {
	if !isJSON(r.Header) {
		return auth.Errorf(auth.CodeMediaType, "the body must be application/json")
	}
	return decodeObject(string(body), dst)
}

// isJSON wants the type in so many words: a form on another site can send
// text/plain, but application/json only after a preflight request.
func isJSON(h http.Header) bool {
	if len(h.Values("Content-Type")) != 1 || h.Get("Content-Encoding") != "" {
		return false
	}
	if h.Get("Content-Type") == typeJSON {
		return true
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind != typeJSON {
		return false
	}
	charset, ok := params["charset"]
	return !ok || strings.EqualFold(charset, "utf-8")
}

// usualAnswer is for how many bytes an answer has room from the first: two tokens.
const usualAnswer = 1 << 10

// WriteJSON answers with v as JSON. An error means that nothing was sent: v
// can't be encoded, which is a defect.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	body := bytes.NewBuffer(make([]byte, 0, usualAnswer))
	if err := json.NewEncoder(body).Encode(v); err != nil { // ends the line, in one copy
		return err
	}
	SendJSON(w, status, body.Bytes())
	return nil
}

// SendJSON answers with a body that is JSON already.
func SendJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", typeJSON)
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away is no error of ours
}
