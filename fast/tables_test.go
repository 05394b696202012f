package fast

import (
	"crypto/elliptic"
	"flag"
	"os"
	"testing"

	"filippo.io/edwards25519"
)

var update = flag.Bool("update", false, "write the tables of the generators instead of comparing them")

//go:generate go test -run TestGeneratorTables -update

// TestGeneratorTables makes the embedded tables anew.
func TestGeneratorTables(t *testing.T) {
	p256 := newP256Table(affineOf(elliptic.P256().Params().Gx, elliptic.P256().Params().Gy))
	ed25519 := newEdwardsTable(edwards25519.NewGeneratorPoint())
	if *update {
		check(t, os.WriteFile("p256.table", []byte(p256), 0o644))
		check(t, os.WriteFile("ed25519.table", []byte(ed25519), 0o644))
		t.Skip("the tables were written")
	}
	if p256 != generatorP256 {
		t.Error("p256.table is not the generator's: run go generate")
	}
	if ed25519 != generatorEd25519 {
		t.Error("ed25519.table is not the generator's: run go generate")
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDigits(t *testing.T) {
	for _, scalar := range []([4]uint64){
		{}, {1}, {half}, {half + 1}, {2*half - 1}, {2 * half}, {1<<64 - 1}, {0, 1}, {0, 0, 0, 1 << 63},
		{1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1}, {0x8208208208208208, 0x2082082082082082, 0x0820820820820820, 0x8208208208208208},
		{0x0123456789abcdef, 0xfedcba9876543210, 0xa5a5a5a55a5a5a5a, 0xf00ff00f0ff00ff0},
	} {
		sum := integer(&[4]uint64{})
		digit := digits(&scalar)
		for i := len(digit) - 1; i >= 0; i-- {
			if digit[i] < -half || digit[i] > half {
				t.Errorf("%x: digit %d is %d", scalar, i, digit[i])
			}
			sum.Lsh(sum, window)
			sum.Add(sum, small(digit[i]))
		}
		if sum.Cmp(integer(&scalar)) != 0 {
			t.Errorf("digits of %x sum to %x", scalar, sum)
		}
	}
}
