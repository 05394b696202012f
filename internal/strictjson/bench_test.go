package strictjson_test

import (
	"testing"

	"github.com/writ-auth/writ/internal/strictjson"
)

const payload = `{"iss":"https://auth.example.com","sub":"usr_01hv9zv7w3q8","aud":["https://api.example.com"],"exp":1767225600,"iat":1767224700,"jti":"Zm9vYmFyYmF6cXV4Zm9vYg","client_id":"writ","sid":"c2lkc2lkc2lkc2lkc2lkcw","scope":"orders:read orders:write","roles":["admin","staff"],"name":"Jo Doe"}`

func BenchmarkCheck(b *testing.B) {
	data := []byte(payload)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := strictjson.Check(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		var r strictjson.Reader
		r.Reset(payload)
		if err := readMembers(&r); err != nil {
			b.Fatal(err)
		}
	}
}

func readMembers(r *strictjson.Reader) error {
	if err := r.BeginObject(); err != nil {
		return err
	}
	for {
		_, more, err := r.NextKey()
		if err != nil {
			return err
		}
		if !more {
			return r.End()
		}
		if r.Kind() == strictjson.String {
			_, err = r.ReadString()
		} else {
			err = r.Skip()
		}
		if err != nil {
			return err
		}
	}
}

func TestReaderAllocatesNothing(t *testing.T) {
	got := testing.AllocsPerRun(100, func() {
		var r strictjson.Reader
		r.Reset(payload)
		if err := readMembers(&r); err != nil {
			t.Error(err)
		}
	})
	if got != 0 {
		t.Errorf("reading a payload allocates %v times, want 0", got)
	}
}
