package fast_test

import (
	"bytes"
	"crypto/fips140"
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/fast"
	"github.com/writ-auth/writ/jwk"
)

// The sizes of tables, as the package documentation states them.
const (
	sizeES256 = 88064
	sizeEdDSA = 132096
)

func TestPrepare(t *testing.T) {
	for _, alg := range []jwk.Algorithm{
		jwk.RS256, jwk.RS384, jwk.RS512, jwk.PS256, jwk.PS384, jwk.PS512, jwk.ES256, jwk.EdDSA, jwk.Ed25519,
	} {
		key := pair(t, alg).WithKeyID("first")
		public := key.Public()
		prepared := mustPrepare(t, public)
		sig := must(key.Sign(message))(t)
		if !prepared.Verify(message, sig) || prepared.Verify(message[1:], sig) || prepared.Verify(message, sig[1:]) || prepared.Verify(nil, nil) {
			t.Errorf("%s: a good signature is refused, or a bad one accepted", alg)
		}
		want, got := must(json.Marshal(public))(t), must(json.Marshal(prepared))(t)
		if prepared.KeyID() != "first" || prepared.Algorithm() != alg || string(got) != string(want) {
			t.Errorf("%s: %s became %s", alg, want, got)
		}
		if renamed := prepared.WithKeyID("second"); !renamed.Verify(message, sig) {
			t.Errorf("%s: renamed, it refuses a good signature", alg)
		}
	}
}

// TestPrepareGivesBack: what it can't speed up comes back as the same pointer.
func TestPrepareGivesBack(t *testing.T) {
	refuse := func(_, _ []byte) bool { return false }
	custom := must(jwk.NewCustomPublicKey("X1", jwk.Params{"kty": "X", "x": "AA"}, refuse))(t)
	var preparer fast.Preparer
	for name, k := range map[string]*jwk.PublicKey{
		"ES384": pair(t, jwk.ES384).Public(), "ES512": pair(t, jwk.ES512).Public(),
		"custom": custom, "zero": new(jwk.PublicKey), "nil": nil,
	} {
		if fast.Prepare(k) != k || preparer.Prepare(k) != k {
			t.Errorf("%s: another key came back", name)
		}
	}
	if preparer.Bytes() != 0 {
		t.Errorf("%d bytes are in use, want 0", preparer.Bytes())
	}
}

// TestPrepareFIPS runs itself again in FIPS 140-3 mode, where the validated
// module must do the arithmetic.
func TestPrepareFIPS(t *testing.T) {
	if !fips140.Enabled() {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPrepareFIPS$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=on")
		out, err := cmd.CombinedOutput()
		if bytes.Contains(out, []byte("fips140: FIPS 140-3 mode")) {
			t.Skipf("this build has no FIPS mode: %s", out)
		}
		if err != nil || !bytes.Contains(out, []byte("FIPS mode is on")) {
			t.Errorf("in FIPS mode: %v\n%s", err, out)
		}
		return
	}
	t.Log("FIPS mode is on")
	for _, alg := range []jwk.Algorithm{jwk.RS256, jwk.PS256, jwk.ES256, jwk.EdDSA} {
		if k := pair(t, alg).Public(); fast.Prepare(k) != k {
			t.Errorf("%s: another key came back", alg)
		}
	}
}

func TestPreparerBound(t *testing.T) {
	preparer := fast.Preparer{MaxBytes: 2*sizeES256 + sizeEdDSA}
	var kept []*jwk.PublicKey
	for i, tt := range []struct {
		alg  jwk.Algorithm
		want bool
		used int64
	}{
		{jwk.ES256, true, sizeES256},
		{jwk.EdDSA, true, sizeES256 + sizeEdDSA},
		{jwk.EdDSA, false, sizeES256 + sizeEdDSA}, // there is room for the smaller one only
		{jwk.ES256, true, 2*sizeES256 + sizeEdDSA},
		{jwk.RS256, false, 2*sizeES256 + sizeEdDSA},
	} {
		key := pair(t, tt.alg)
		prepared := preparer.Prepare(key.Public())
		kept = append(kept, prepared)
		sig := must(key.Sign(message))(t)
		if !prepared.Verify(message, sig) || prepared.Verify(message[1:], sig) {
			t.Errorf("key %d does not verify", i)
		}
		if preparer.Bytes() != tt.used {
			t.Errorf("after key %d %d bytes are in use, want %d", i, preparer.Bytes(), tt.used)
		}
	}
	runtime.GC()
	runtime.GC()
	if preparer.Bytes() != 2*sizeES256+sizeEdDSA {
		t.Errorf("%d bytes are in use while the keys are", preparer.Bytes())
	}
	runtime.KeepAlive(kept)
}

// TestPreparerReleases: the memory of keys that nobody uses is free again.
func TestPreparerReleases(t *testing.T) {
	preparer := fast.Preparer{MaxBytes: sizeES256}
	first, second := pair(t, jwk.ES256).Public(), pair(t, jwk.ES256).Public()
	prepared := preparer.Prepare(first).WithKeyID("copy")
	if preparer.Prepare(second) != second {
		t.Fatal("a key beyond the bound was prepared")
	}
	runtime.GC()
	if preparer.Bytes() != sizeES256 {
		t.Errorf("%d bytes are in use while the copy is", preparer.Bytes())
	}
	runtime.KeepAlive(prepared)
	prepared = nil
	for start := time.Now(); preparer.Bytes() != 0; runtime.Gosched() {
		if runtime.GC(); time.Since(start) > 10*time.Second {
			t.Fatalf("%d bytes are in use though the key is not", preparer.Bytes())
		}
	}
	if preparer.Prepare(second) == second {
		t.Error("a key within the bound was not prepared")
	}
}

func TestPreparerNone(t *testing.T) {
	k := pair(t, jwk.ES256).Public()
	none := fast.Preparer{MaxBytes: -1}
	if none.Prepare(k) != k {
		t.Error("a key was prepared though none may be")
	}
	var usual fast.Preparer
	if usual.Prepare(k) == k {
		t.Error("a key was not prepared though 32 MiB are free")
	}
}

// TestConcurrent prepares at once more keys than fit, and verifies with one key
// from all goroutines.
func TestConcurrent(t *testing.T) {
	preparer := fast.Preparer{MaxBytes: 3 * sizeES256}
	key := pair(t, jwk.ES256)
	public, sig := key.Public(), must(key.Sign(message))(t)
	prepared := mustPrepare(t, public)
	out := make([]*jwk.PublicKey, 8)
	var group sync.WaitGroup
	for i := range out {
		group.Go(func() {
			out[i] = preparer.Prepare(public)
			for range 20 {
				if !prepared.Verify(message, sig) || !out[i].Verify(message, sig) {
					t.Error("a good signature is refused")
				}
			}
		})
	}
	group.Wait()
	count := 0
	for _, k := range out {
		if k != public {
			count++
		}
	}
	if count != 3 || preparer.Bytes() != 3*sizeES256 {
		t.Errorf("%d keys were prepared into %d bytes, want 3 into %d", count, preparer.Bytes(), 3*sizeES256)
	}
	runtime.KeepAlive(out)
}
