package edge_test

import (
	"encoding/json"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/edge"
)

// TestObject reads what was sent by package json.
func TestObject(t *testing.T) {
	at := time.Date(2026, 11, 24, 6, 0, 0, 5000, time.UTC)
	var o edge.Object
	o.Text("text", "a\"b\\c\n<é\u2028\x00{")
	o.Text("empty", "")
	o.TextIf("none", "")
	o.TextIf("some", "x")
	o.Text("broken", "a\xffb\xc3")
	o.Int("int", -7)
	o.Bool("bool", true)
	o.Texts("no texts", nil)
	o.Texts("texts", []string{"a", "{", ""})
	o.Object("object", func(o *edge.Object) {
		o.Time("time", at)
		o.Object("nothing", func(*edge.Object) {})
		o.Text("after", "{")
	})
	o.Int("last", 1<<62)
	w := httptest.NewRecorder()
	o.Send(w, 201)
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	want := map[string]any{
		"text": "a\"b\\c\n<é\u2028\x00{", "empty": "", "some": "x", "broken": "a\ufffdb\ufffd", "int": -7.0, "bool": true,
		"no texts": []any{}, "texts": []any{"a", "{", ""}, "last": float64(1 << 62),
		"object": map[string]any{"time": "2026-11-24T06:00:00.000005Z", "nothing": map[string]any{}, "after": "{"},
	}
	if !reflect.DeepEqual(got, want) || w.Code != 201 || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("sent %d %s %v\nwant %v", w.Code, w.Header().Get("Content-Type"), got, want)
	}
	w = httptest.NewRecorder()
	new(edge.Object).Send(w, 200)
	if w.Body.String() != "{}\n" {
		t.Errorf("nothing was sent as %q", w.Body)
	}
}
