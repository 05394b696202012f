package revlog_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/writ-auth/writ/internal/revlog"
)

// The digests were made with printf and sha256sum.
func TestHash(t *testing.T) {
	for _, c := range []struct {
		kind revlog.Kind
		id   string
		want string
	}{
		{revlog.Token, "abc", "876f2e3599bdcc7bf41c2a1df04cb73e"},
		{revlog.Session, "abc", "78d2b57330e7fca7060e3dfcdd350c04"},
		{revlog.Key, "", "c0ba8a33ac67f44abff5984dfbb6f56c"},
	} {
		hash := revlog.Hash(c.kind, c.id)
		if got := hex.EncodeToString(hash[:]); got != c.want {
			t.Errorf("Hash(%d, %q) = %s, want %s", c.kind, c.id, got, c.want)
		}
	}
}

func TestHashDoesNotAllocate(t *testing.T) {
	id := strings.Repeat("x", 128)
	if n := testing.AllocsPerRun(100, func() { revlog.Hash(revlog.Token, id) }); n != 0 {
		t.Errorf("Hash of 128 bytes allocates %v times, want 0", n)
	}
}

func TestKind(t *testing.T) {
	for kind, want := range map[revlog.Kind][2]bool{ // known, critical
		0: {false, true}, revlog.Token: {true, true}, revlog.Key: {true, true},
		5: {false, true}, 127: {false, true}, 128: {false, false}, 255: {false, false},
	} {
		if got := [2]bool{kind.Known(), kind.Critical()}; got != want {
			t.Errorf("kind %d: known, critical = %v, want %v", kind, got, want)
		}
	}
}

const hash1 = "AAECAwQFBgcICQoLDA0ODw" // the bytes 0 to 15

func TestDecode(t *testing.T) {
	got, err := revlog.Decode([]byte(` {"log":"l1","first":2,"head":9,"time":1700000000,"note":{"x":[1]},
		"entries":[[2,1,"` + hash1 + `",1700000900], [7, 200, "` + hash1 + `", 0]],"more":true} `))
	if err != nil {
		t.Fatal(err)
	}
	hash := [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	want := &revlog.Page{Log: "l1", First: 2, Head: 9, Time: 1700000000, More: true, Entries: []revlog.Entry{
		{Seq: 2, Kind: revlog.Token, Hash: hash, Expiry: 1700000900},
		{Seq: 7, Kind: 200, Hash: hash},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMarshal(t *testing.T) {
	page := &revlog.Page{Log: `a"b`, First: 1, Head: 3, Time: 5, Entries: []revlog.Entry{
		{Seq: 3, Kind: revlog.Key, Hash: [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}}}
	got, err := json.Marshal(page)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"log":"a\"b","first":1,"head":3,"time":5,"entries":[[3,4,"` + hash1 + `",0]],"more":false}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	empty, err := json.Marshal(&revlog.Page{Log: "l", First: 1, Time: 5})
	if want := `{"log":"l","first":1,"head":0,"time":5,"entries":[],"more":false}`; err != nil || string(empty) != want {
		t.Errorf("got %s, %v; want %s", empty, err, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	page := func(entries string) string {
		return `{"log":"l","first":1,"head":9,"time":5,"entries":` + entries + `,"more":false}`
	}
	for name, data := range map[string]string{
		"empty":                  ``,
		"not an object":          `[]`,
		"trailing data":          page(`[]`) + `{}`,
		"unclosed":               strings.TrimSuffix(page(`[]`), "}"),
		"invalid UTF-8":          strings.Replace(page(`[]`), `"l"`, "\"\xff\"", 1),
		"no log":                 strings.Replace(page(`[]`), `"log":"l",`, ``, 1),
		"no first":               strings.Replace(page(`[]`), `"first":1,`, ``, 1),
		"no head":                strings.Replace(page(`[]`), `"head":9,`, ``, 1),
		"no time":                strings.Replace(page(`[]`), `"time":5,`, ``, 1),
		"no more":                strings.Replace(page(`[]`), `,"more":false`, ``, 1),
		"name in capitals":       strings.Replace(page(`[]`), `"head"`, `"Head"`, 1),
		"head twice":             strings.Replace(page(`[]`), `"head":9`, `"head":9,"head":9`, 1),
		"head twice, escaped":    strings.Replace(page(`[]`), `"head":9`, `"head":9,"he\u0061d":9`, 1),
		"head null":              strings.Replace(page(`[]`), `"head":9`, `"head":null`, 1),
		"head a string":          strings.Replace(page(`[]`), `"head":9`, `"head":"9"`, 1),
		"head negative":          strings.Replace(page(`[]`), `"head":9`, `"head":-9`, 1),
		"head a fraction":        strings.Replace(page(`[]`), `"head":9`, `"head":9.5`, 1),
		"head above 64 bits":     strings.Replace(page(`[]`), `"head":9`, `"head":18446744073709551616`, 1),
		"log empty":              strings.Replace(page(`[]`), `"l"`, `""`, 1),
		"log too long":           strings.Replace(page(`[]`), `"l"`, `"`+strings.Repeat("l", 129)+`"`, 1),
		"time zero":              strings.Replace(page(`[]`), `"time":5`, `"time":0`, 1),
		"entries null":           page(`null`),
		"entries an object":      page(`{}`),
		"entry null":             page(`[null]`),
		"entry empty":            page(`[[]]`),
		"entry of three":         page(`[[1,1,"` + hash1 + `"]]`),
		"entry of five":          page(`[[1,1,"` + hash1 + `",0,0]]`),
		"number zero":            page(`[[0,1,"` + hash1 + `",0]]`),
		"number a string":        page(`[["1",1,"` + hash1 + `",0]]`),
		"number a fraction":      page(`[[1.5,1,"` + hash1 + `",0]]`),
		"kind of nine bits":      page(`[[1,256,"` + hash1 + `",0]]`),
		"expiry negative":        page(`[[1,1,"` + hash1 + `",-1]]`),
		"hash too short":         page(`[[1,1,"` + hash1[1:] + `",0]]`),
		"hash too long":          page(`[[1,1,"` + hash1 + `A",0]]`),
		"hash padded":            page(`[[1,1,"` + hash1 + `==",0]]`),
		"hash in other alphabet": page(`[[1,1,"` + hash1[:21] + `+",0]]`),
		"hash not canonical":     page(`[[1,1,"` + hash1[:21] + `x",0]]`),
		"hash with line break":   page(`[[1,1,"` + hash1[:20] + `\n",0]]`),
		"hash nested":            page(`[[1,1,["` + hash1[2:] + `"],0]]`),
		"same number twice":      page(`[[1,1,"` + hash1 + `",0],[1,2,"` + hash1 + `",0]]`),
		"numbers falling":        page(`[[2,1,"` + hash1 + `",0],[1,2,"` + hash1 + `",0]]`),
		"above the head":         page(`[[10,1,"` + hash1 + `",0]]`),
		"more after nothing":     strings.Replace(page(`[]`), `false`, `true`, 1),
		"too many bytes":         page(`[]`) + strings.Repeat(" ", revlog.MaxBytes),
		"too deep":               page(strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)),
	} {
		if got, err := revlog.Decode([]byte(data)); got != nil || !errors.Is(err, revlog.ErrMalformed) {
			t.Errorf("%s: got %+v, %v; want nil and ErrMalformed", name, got, err)
		}
	}
	if _, err := revlog.Decode([]byte(page(`[]`))); err != nil {
		t.Errorf("the page that the others spoil is refused itself: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"log":"l","first":1,"head":9,"time":5,"entries":[[1,1,"` + hash1 + `",0]],"more":true}`))
	f.Add([]byte(`{"log":"l","first":1,"head":9,"time":5,"entries":[],"more":false,"head":9}`))
	signed, _ := signedPage(f)
	data, err := json.Marshal(signed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		page, err := revlog.Decode(data)
		if err != nil {
			if page != nil || !errors.Is(err, revlog.ErrMalformed) {
				t.Fatalf("got %v with %v", page, err)
			}
			return
		}
		again, err := json.Marshal(page)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := revlog.Decode(again)
		if err != nil {
			t.Fatalf("own encoding refused: %v\n%s", err, again)
		}
		if !reflect.DeepEqual(page, twice) {
			t.Fatalf("%+v became %+v", page, twice)
		}
	})
}
