package statuslist_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"testing"

	"github.com/writ-auth/writ/server/internal/statuslist"
)

// unpack reads an lst as a verifier does.
func unpack(t *testing.T, lst string) []byte {
	t.Helper()
	packed, err := base64.RawURLEncoding.DecodeString(lst)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	bits, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return bits
}

// The examples of draft-ietf-oauth-status-list: section 4.1, and those of 2²⁰
// places in its appendix of test vectors.
func TestDraftExamples(t *testing.T) {
	data, err := os.ReadFile("testdata/examples.json")
	if err != nil {
		t.Fatal(err)
	}
	var examples map[string]struct {
		Encoded struct {
			Bits int
			Lst  string
		}
	}
	if err := json.Unmarshal(data, &examples); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		size   int
		places []int64
	}{
		"status_list_encoding_json": {16, []int64{0, 3, 4, 5, 7, 8, 9, 13, 15}},
		"status_list_encoding1_long_json": {1 << 20, []int64{0, 1993, 25460, 159495, 495669, 554353, 645645,
			723232, 854545, 934534, 1000345}},
	} {
		example := examples[name].Encoded
		if example.Bits != 1 {
			t.Fatalf("%s has %d bits", name, example.Bits)
		}
		bits := statuslist.Bitmap(c.size, c.places)
		if !bytes.Equal(unpack(t, example.Lst), bits) {
			t.Errorf("%s: other bits than the draft's", name)
		}
		lst, err := statuslist.Encode(bits)
		if err != nil || !bytes.Equal(unpack(t, lst), bits) {
			t.Errorf("%s: what was encoded is read otherwise, %v", name, err)
		}
	}
	if got := hex.EncodeToString(statuslist.Bitmap(16, []int64{0, 3, 4, 5, 7, 8, 9, 13, 15})); got != "b9a3" {
		t.Errorf("bits %s, want b9a3", got)
	}
}
