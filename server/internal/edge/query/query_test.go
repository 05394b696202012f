package query_test

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge/query"
)

func TestPage(t *testing.T) {
	for raw, want := range map[string]auth.Page{
		"":                               {Limit: 50},
		"limit=200&cursor=usr_x&q=ada":   {Limit: 200, Cursor: "usr_x", Query: "ada"},
		"q=%3Cscript%3E%27&limit=1":      {Limit: 1, Query: "<script>'"},
		"user_id=usr_x&limit=0000000005": {Limit: 5},
	} {
		got, _, err := query.Page(httptest.NewRequest("GET", "/?"+raw, nil), "user_id")
		if err != nil || got != want {
			t.Errorf("%q gives %+v, %v; want %+v", raw, got, err, want)
		}
	}
	for _, raw := range []string{"limit=0", "limit=201", "limit=-1", "limit=1.5", "limit=", "limit=1&limit=1", "Limit=1", "x=1", "cursor=a&cursor=a",
		"cursor=%zz", "a;b", "q=" + strings.Repeat("a", 513)} {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = raw
		_, _, err := query.Page(r, "user_id")
		var e *auth.Error
		if !errors.As(err, &e) || e.Code != auth.CodeInvalid {
			t.Errorf("%q gives %v, want %s", raw, err, auth.CodeInvalid)
		}
	}
}

func TestReadLoosely(t *testing.T) {
	v, err := query.ReadLoosely(httptest.NewRequest("GET", "/?after=7&wait=25s&new=1&new=2", nil), "after", "wait")
	if err != nil {
		t.Fatal(err)
	}
	n, err := v.Uint("after", 0)
	d, err2 := v.Duration("wait")
	if n != 7 || d != 25*time.Second || err != nil || err2 != nil || len(v) != 2 {
		t.Errorf("got %d, %v, %v, %v from %v", n, d, err, err2, v)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("limit=1&cursor=x")
	f.Add("a=1;b=2&%")
	f.Fuzz(func(t *testing.T, raw string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = &url.URL{Path: "/", RawQuery: raw}
		v, err := query.Read(r, "a", "b")
		if err != nil {
			return
		}
		for name, value := range v {
			if name != "a" && name != "b" || len(value) > 512 {
				t.Fatalf("%q gives %v", raw, v)
			}
		}
	})
}
