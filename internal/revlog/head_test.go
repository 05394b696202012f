package revlog_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/writ-auth/writ/internal/revlog"
)

func counted() [16]byte { return [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15} }

// The values were made with Python's hashlib and struct.
func TestChain(t *testing.T) {
	c := revlog.ChainStart("l1")
	got := []string{hex.EncodeToString(c[:])}
	for _, e := range []revlog.Entry{
		{Seq: 1, Kind: revlog.Session, Hash: counted(), Expiry: 1700000900},
		{Seq: 2, Kind: revlog.Key, Hash: counted()},
	} {
		c = c.Next(e)
		got = append(got, hex.EncodeToString(c[:]))
	}
	want := []string{
		"85ae43017c9eef70c4f0c0d3de09678a1712afd1eae400519e8119357a17a3f6",
		"218d25503c16909fc53f191b6f595d99511147b10e5e0253c1d837a25cc9d208",
		"06afdd6a5efd691a02c27e7a2295be86592f6c7556703f2d7b1c4ee7695eba93",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	h := revlog.Head{Log: "l1", Seq: 2, Chain: c, First: 1, TimeMS: 1700000000123}
	if got, want := hex.EncodeToString(h.Message()), "777269742d6c6f672d686561642d76310000000000000000026c31000000000000000206afdd6a5efd691a02c27e7a2295be86592f6c7556703f2d7b1c4ee7695eba9300000000000000010000018bcfe5687b"; got != want {
		t.Errorf("message %s, want %s", got, want)
	}
}

func TestChainDoesNotAllocate(t *testing.T) {
	c, e := revlog.ChainStart("l"), revlog.Entry{Seq: 1, Kind: revlog.Token}
	if n := testing.AllocsPerRun(100, func() { c = c.Next(e) }); n != 0 {
		t.Errorf("Next allocates %v times, want 0", n)
	}
}

// signedPage is a page of two entries of three, with the key that signed it.
func signedPage(t testing.TB) (*revlog.Page, ed25519.PublicKey) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	p := &revlog.Page{Log: "l", First: 1, Head: 3, Time: 1700000000, More: true, Entries: []revlog.Entry{
		{Seq: 1, Kind: revlog.Session, Hash: counted(), Expiry: 1700000900}, {Seq: 2, Kind: revlog.Key, Hash: counted()}}}
	h := revlog.Head{Log: "l", Seq: 3, Chain: revlog.Chain{7}, First: 1, TimeMS: 1700000000999}
	proof, err := h.Sign("k1", func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil })
	if err != nil {
		t.Fatal(err)
	}
	proof.Prev = revlog.ChainStart("l")
	p.Proof = proof
	return p, key.Public().(ed25519.PublicKey)
}

func TestSignedPage(t *testing.T) {
	p, key := signedPage(t)
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := revlog.Decode(data)
	if err != nil || !reflect.DeepEqual(got, p) {
		t.Fatalf("got %+v, %v; want %+v", got, err, p)
	}
	if !ed25519.Verify(key, got.SignedHead().Message(), got.Proof.Signature[:]) {
		t.Error("the signature doesn't verify")
	}
	if got.Last() != 2 || got.ChainAfter() != revlog.ChainStart("l").Next(p.Entries[0]).Next(p.Entries[1]) {
		t.Errorf("last %d, chain %x", got.Last(), got.ChainAfter())
	}
	for name, change := range map[string]func(*revlog.Page){
		"log": func(p *revlog.Page) { p.Log = "m" }, "head": func(p *revlog.Page) { p.Head++ },
		"first": func(p *revlog.Page) { p.First++ }, "chain": func(p *revlog.Page) { p.Proof.Chain[31]++ },
		"time": func(p *revlog.Page) { p.Proof.TimeMS++ },
	} {
		p, _ := signedPage(t)
		change(p)
		if ed25519.Verify(key, p.SignedHead().Message(), p.Proof.Signature[:]) {
			t.Errorf("another %s: the signature verifies still", name)
		}
	}
}

func TestSignRefusesOtherSignatures(t *testing.T) {
	for _, size := range []int{0, 63, 65, 256} {
		if p, err := (revlog.Head{}).Sign("k", func([]byte) ([]byte, error) { return make([]byte, size), nil }); err == nil {
			t.Errorf("a signature of %d bytes: got %+v", size, p)
		}
	}
}

func TestDecodeRefusesProofs(t *testing.T) {
	p, _ := signedPage(t)
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	cut := func(name string) string { // without a member
		at := strings.Index(page, `,"`+name+`":`)
		end := at + 1 + strings.IndexAny(page[at+1:], ",}")
		return page[:at] + page[end:]
	}
	for name, changed := range map[string]string{
		"no prev": cut("prev"), "no chain": cut("chain"), "no time_ms": cut("time_ms"), "no key": cut("key"), "no sig": cut("sig"),
		"another second":        strings.Replace(page, `"time_ms":1700000000999`, `"time_ms":1700000001000`, 1),
		"key empty":             strings.Replace(page, `"k1"`, `""`, 1),
		"key too long":          strings.Replace(page, `"k1"`, `"`+strings.Repeat("k", 129)+`"`, 1),
		"key a number":          strings.Replace(page, `"k1"`, `1`, 1),
		"prev too short":        strings.Replace(page, `"prev":"`, `"prev":"A`, 1),
		"sig null":              cut("sig")[:len(cut("sig"))-1] + `,"sig":null}`,
		"a gap":                 strings.Replace(page, `[2,4`, `[3,4`, 1),
		"no more, but there is": strings.Replace(page, `"more":true`, `"more":false`, 1),
		"first zero":            strings.Replace(page, `"first":1`, `"first":0`, 1),
		"first above the head":  strings.Replace(page, `"first":1`, `"first":5`, 1),
	} {
		if changed == page {
			t.Errorf("%s: nothing was changed", name)
		}
		if got, err := revlog.Decode([]byte(changed)); got != nil || !errors.Is(err, revlog.ErrMalformed) {
			t.Errorf("%s: got %+v, %v; want nil and ErrMalformed", name, got, err)
		}
	}
}

func fullPage(number uint64) *revlog.FullPage {
	p := &revlog.FullPage{Log: "l", Number: number, Prev: revlog.Chain{1}}
	for i := range uint64(revlog.PageSize) {
		p.Entries = append(p.Entries, revlog.Entry{Seq: number*revlog.PageSize + i + 1, Kind: revlog.Token, Hash: counted(), Expiry: 9})
	}
	return p
}

func TestFullPage(t *testing.T) {
	p := fullPage(3)
	data, err := p.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := revlog.DecodeFull(data); err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("came back as another: %v", err)
	}
	for name, change := range map[string]func(*revlog.FullPage){
		"another number": func(p *revlog.FullPage) { p.Number++ },
		"too few":        func(p *revlog.FullPage) { p.Entries = p.Entries[1:] },
		"too many":       func(p *revlog.FullPage) { p.Entries = append(p.Entries, p.Entries[0]) },
		"a gap":          func(p *revlog.FullPage) { p.Entries[9].Seq++ },
		"no log":         func(p *revlog.FullPage) { p.Log = "" },
		"number wraps":   func(p *revlog.FullPage) { p.Number += 1 << 52 },
	} {
		p := fullPage(3)
		change(p)
		data, err := p.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := revlog.DecodeFull(data); got != nil || !errors.Is(err, revlog.ErrMalformed) {
			t.Errorf("%s: got a page, %v", name, err)
		}
	}
	if _, err := revlog.DecodeFull([]byte(strings.Replace(string(data), `"prev"`, `"prior"`, 1))); !errors.Is(err, revlog.ErrMalformed) {
		t.Errorf("without prev: %v", err)
	}
}
