package edge_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
)

type inner struct {
	City string `json:"city"`
}

type embedded struct {
	Note string `json:"note"`
}

type request struct {
	Email    string            `json:"email"`
	Password *string           `json:"password,omitempty"`
	Roles    []string          `json:"roles"`
	Count    int8              `json:"count"`
	Limit    uint16            `json:"limit"`
	Ratio    float64           `json:"ratio"`
	Disabled *bool             `json:"disabled"`
	Claims   json.RawMessage   `json:"claims"`
	Renames  map[string]string `json:"renames"`
	Address  *inner            `json:"address"`
	Others   []inner           `json:"others"`
	Any      any               `json:"any"`
	Hidden   string            `json:"-"`
	Plain    string
	embedded
}

func post(contentType, body string) *http.Request {
	r := httptest.NewRequest("POST", "/x", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func read(body string) (request, error) {
	var got request
	err := edge.ReadJSON(httptest.NewRecorder(), post("application/json", body), &got)
	return got, err
}

func TestReadJSON(t *testing.T) {
	got, err := read(`{"email":"a@b","password":"p\u00e4ss","roles":["x","y"],"count":-7,"limit":65535,"ratio":1.5,
		"disabled":false,"claims":{"a":[1,null]},"renames":{"roles":"role"},"address":{"city":"Bern"},
		"others":[{"city":"Biel"},{}],"any":{"k":null},"Plain":"p","note":"n"}`)
	if err != nil {
		t.Fatal(err)
	}
	password, disabled := "päss", false
	want := request{
		Email: "a@b", Password: &password, Roles: []string{"x", "y"}, Count: -7, Limit: 65535, Ratio: 1.5,
		Disabled: &disabled, Claims: json.RawMessage(`{"a":[1,null]}`), Renames: map[string]string{"roles": "role"},
		Address: &inner{"Bern"}, Others: []inner{{"Biel"}, {}}, Any: map[string]any{"k": nil}, Plain: "p", embedded: embedded{"n"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(request{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadJSONAbsentAndEmpty(t *testing.T) {
	got, err := read(` {} `)
	if err != nil || got.Password != nil || got.Roles != nil || got.Claims != nil {
		t.Errorf("absent members: %+v, %v", got, err)
	}
	got, err = read(`{"roles":[],"renames":{},"claims":null}`)
	if err != nil || got.Roles == nil || got.Renames == nil || string(got.Claims) != "null" {
		t.Errorf("empty members differ from absent ones: %+v, %v", got, err)
	}
}

func TestReadJSONRefuses(t *testing.T) {
	tests := []struct{ name, body, field, says string }{
		{"empty", ``, "", "no body"},
		{"space", `  `, "", "not valid JSON"},
		{"array", `[]`, "", "the body must be an object"},
		{"string", `"hunter2"`, "", "the body must be an object"},
		{"null", `null`, "", "the body must be an object"},
		{"unknown", `{"emial":"hunter2"}`, "emial", "unknown"},
		{"wrong case", `{"EMAIL":"hunter2"}`, "EMAIL", `the name is "email"`},
		{"folded K", "{\"\u212Aey\":1}", "\u212Aey", "unknown"},
		{"hidden", `{"Hidden":"hunter2"}`, "Hidden", "unknown"},
		{"dash", `{"-":"hunter2"}`, "-", "unknown"},
		{"duplicate", `{"email":"a","email":"hunter2"}`, "email", "twice"},
		{"duplicate by escape", `{"email":"a","\u0065mail":"hunter2"}`, "email", "twice"},
		{"duplicate inside", `{"address":{"city":"a" , "city":"hunter2"}}`, "address.city", "twice"},
		{"duplicate in raw", `{"claims":{"a":1,"a":2}}`, "claims", "duplicate"},
		{"duplicate in any", `{"any":[{"a":1,"a":2}]}`, "any", "duplicate"},
		{"duplicate name of a map", `{"renames":{"a":"1","a":"2"}}`, "renames.a", "twice"},
		{"trailing", `{"email":"a"} {}`, "", "not valid JSON"},
		{"trailing garbage", `{"email":"a"}hunter2`, "", "not valid JSON"},
		{"cut off", `{"email":"hunter2`, "email", "not valid JSON"},
		{"type string", `{"email":12345678}`, "email", "must be a string"},
		{"type number", `{"count":"hunter2"}`, "count", "whole number"},
		{"range", `{"count":128}`, "count", "in range"},
		{"fraction", `{"count":1.5}`, "count", "whole number"},
		{"negative", `{"limit":-1}`, "limit", "not negative"},
		{"type bool", `{"disabled":"true"}`, "disabled", "true or false"},
		{"type list", `{"roles":"hunter2"}`, "roles", "an array"},
		{"type element", `{"roles":["a",7]}`, "roles[1]", "must be a string"},
		{"null", `{"email":null}`, "email", "null"},
		{"null pointer", `{"password":null}`, "password", "null"},
		{"null element", `{"roles":[null]}`, "roles[0]", "null"},
		{"nested unknown", `{"others":[{},{"town":"x"}]}`, "others[1].town", "unknown"},
		{"infinite", `{"ratio":1e400}`, "ratio", "not valid JSON"},
		{"UTF-8", "{\"email\":\"\xff\"}", "", "not valid JSON"},
		{"lone surrogate", `{"email":"\ud800"}`, "email", "not valid JSON"},
		{"byte order mark", "\ufeff{}", "", "not valid JSON"},
		{"deep", `{"any":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "any", "nested too deeply"},
		{"comment", `{/**/}`, "", "not valid JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := read(tt.body)
			var e *auth.Error
			if !errors.As(err, &e) || e.Code != auth.CodeInvalid {
				t.Fatalf("error %v, want %s", err, auth.CodeInvalid)
			}
			if e.Field != tt.field || !strings.Contains(e.Message, tt.says) {
				t.Errorf("field %q, message %q; want field %q, message with %q", e.Field, e.Message, tt.field, tt.says)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "12345678") {
				t.Errorf("the error repeats a value: %v", err)
			}
		})
	}
}

func TestReadJSONLongName(t *testing.T) {
	_, err := read(`{"` + strings.Repeat("ü", 5000) + `":1}`)
	if err == nil || len(err.Error()) > 300 {
		t.Errorf("an error of %d bytes for a long name", len(err.Error()))
	}
}

func TestReadJSONContentType(t *testing.T) {
	good := []string{"application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"}
	bad := []string{"", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "text/json",
		"application/json; charset=utf-16", "application/json, text/plain", "multipart/form-data; boundary=x"}
	for _, kind := range good {
		if err := edge.ReadJSON(httptest.NewRecorder(), post(kind, `{}`), &request{}); err != nil {
			t.Errorf("%q: %v", kind, err)
		}
	}
	refused := func(name string, r *http.Request) {
		var e *auth.Error
		if err := edge.ReadJSON(httptest.NewRecorder(), r, &request{}); !errors.As(err, &e) || e.Code != auth.CodeMediaType {
			t.Errorf("%s: %v, want %s", name, err, auth.CodeMediaType)
		}
	}
	for _, kind := range bad {
		refused(kind, post(kind, `{}`))
	}
	twice := post("application/json", `{}`)
	twice.Header.Add("Content-Type", "text/plain")
	refused("two content types", twice)
	packed := post("application/json", `{}`)
	packed.Header.Set("Content-Encoding", "gzip")
	refused("gzip", packed)
}

func TestReadOptionalJSON(t *testing.T) {
	var got request
	if ok, err := edge.ReadOptionalJSON(httptest.NewRecorder(), post("", ""), &got); ok || err != nil {
		t.Errorf("no body: %v, %v", ok, err)
	}
	if ok, err := edge.ReadOptionalJSON(httptest.NewRecorder(), post("application/json", `{"email":"a"}`), &got); !ok || err != nil || got.Email != "a" {
		t.Errorf("a body: %v, %v, %+v", ok, err, got)
	}
	if _, err := edge.ReadOptionalJSON(httptest.NewRecorder(), post("text/plain", `{"email":"a"}`), &got); err == nil {
		t.Error("a body of another type is taken")
	}
}

// counted says how much of a body was read.
type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

func TestReadJSONTooLarge(t *testing.T) {
	for _, declared := range []int64{10 << 20, -1} {
		body := &counted{Reader: io.LimitReader(zeros{}, 10<<20)}
		r := httptest.NewRequest("POST", "/x", body)
		r.Header.Set("Content-Type", "application/json")
		r.ContentLength = declared
		var e *auth.Error
		if err := edge.ReadJSON(httptest.NewRecorder(), r, &request{}); !errors.As(err, &e) || e.Code != auth.CodeTooLarge {
			t.Errorf("length %d: %v, want %s", declared, err, auth.CodeTooLarge)
		}
		if body.n > edge.MaxBody+1<<10 {
			t.Errorf("length %d: %d bytes were read of a body that is refused", declared, body.n)
		}
	}
	fits := `{"email":"` + strings.Repeat("a", edge.MaxBody-12) + `"}`
	if _, err := read(fits); err != nil || len(fits) != edge.MaxBody {
		t.Errorf("a body of %d bytes: %v", len(fits), err)
	}
	if _, err := read(fits + " "); err == nil {
		t.Error("a body of one byte more is taken")
	}
}

// A client that announces a large body and sends little of it has no memory held
// for the rest.
func TestRoomForWhatCame(t *testing.T) {
	slow := &roomy{}
	r := httptest.NewRequest("POST", "/x", slow)
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = edge.MaxBody
	if err := edge.ReadJSON(httptest.NewRecorder(), r, &request{}); err == nil {
		t.Error("a body that breaks off is taken")
	}
	if slow.most > 4<<10 {
		t.Errorf("room for %d bytes before the first has come", slow.most)
	}
}

// roomy is a body that breaks off, and notes how much it was to fill.
type roomy struct{ most int }

func (r *roomy) Read(p []byte) (int, error) {
	r.most = max(r.most, len(p))
	return 0, io.ErrUnexpectedEOF
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestReadJSONDestination(t *testing.T) {
	for _, dst := range []any{request{}, new(string), (*request)(nil), map[string]any{}} {
		var e *auth.Error
		if err := edge.ReadJSON(httptest.NewRecorder(), post("application/json", `{}`), dst); err == nil || errors.As(err, &e) {
			t.Errorf("%T: %v, want an internal error", dst, err)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	w := httptest.NewRecorder()
	if err := edge.WriteJSON(w, 201, map[string]string{"a": "<"}); err != nil {
		t.Fatal(err)
	}
	if w.Code != 201 || w.Header().Get("Content-Type") != "application/json" || w.Body.String() != "{\"a\":\"\\u003c\"}\n" {
		t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
	}
	w = httptest.NewRecorder()
	if err := edge.WriteJSON(w, 200, func() {}); err == nil || w.Body.Len() != 0 {
		t.Errorf("what can't be encoded: %v, %q", err, w.Body)
	}
}

// Whatever ReadJSON takes, encoding/json reads the same from it: two readers of
// one body never disagree.
func FuzzReadJSON(f *testing.F) {
	for _, seed := range []string{
		`{"email":"a","roles":["x"],"count":1}`, `{"Email":"a"}`, `{"email":"a","email":"b"}`, `{"claims":{"a":{"b":[1,2.5e3]}}}`,
		`{"address":{"city":"\ud83d\ude00"}}`, `{"renames":{"a":"b"}}`, `{"others":[{},null]}`, `{"email":"\u0000"}`, `[`, `{"any":1e400}`, `{"note":"n","Plain":""}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := read(body)
		if err != nil {
			var e *auth.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v is internal", err)
			}
			return
		}
		var want request
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatalf("encoding/json refuses %q: %v", body, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(request{}), cmp.Comparer(sameRaw)); diff != "" {
			t.Fatalf("%q (-encoding/json +ours):\n%s", body, diff)
		}
	})
}

func sameRaw(a, b json.RawMessage) bool { return string(a) == string(b) }
