package jwk_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

// openssl runs the real program, in a directory of the test.
func openssl(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func needOpenSSL(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed, so its files can't be read here")
	}
	return t.TempDir()
}

func TestOpenSSLKeys(t *testing.T) {
	dir := needOpenSSL(t)
	for name, tt := range map[string]struct {
		alg  jwk.Algorithm
		args []string
	}{
		"genrsa":               {jwk.RS256, []string{"genrsa", "-out", "key.pem", "2048"}},
		"genrsa traditional":   {jwk.PS256, []string{"genrsa", "-traditional", "-out", "key.pem", "2048"}},
		"ecparam":              {jwk.ES256, []string{"ecparam", "-genkey", "-name", "prime256v1", "-out", "key.pem"}},
		"ecparam noout":        {jwk.ES384, []string{"ecparam", "-genkey", "-name", "secp384r1", "-noout", "-out", "key.pem"}},
		"genpkey EC":           {jwk.ES512, []string{"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521", "-out", "key.pem"}},
		"genpkey Ed25519":      {jwk.EdDSA, []string{"genpkey", "-algorithm", "ed25519", "-out", "key.pem"}},
		"genpkey RSA":          {jwk.RS512, []string{"genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "key.pem"}},
		"genpkey RSA-PSS":      {jwk.PS512, []string{"genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "key.pem"}},
		"genpkey RSA-PSS S256": {jwk.PS256, []string{"genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_pss_keygen_md:sha256", "-pkeyopt", "rsa_pss_keygen_mgf1_md:sha256", "-pkeyopt", "rsa_pss_keygen_saltlen:32", "-out", "key.pem"}},
	} {
		openssl(t, dir, tt.args...)
		openssl(t, dir, "pkey", "-in", "key.pem", "-pubout", "-out", "pub.pem")
		key, err := jwk.ParsePrivatePEM(tt.alg, must(os.ReadFile(filepath.Join(dir, "key.pem")))(t))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		pub, err := jwk.ParsePublicPEM(tt.alg, must(os.ReadFile(filepath.Join(dir, "pub.pem")))(t))
		if err != nil {
			t.Errorf("%s -pubout: %v", name, err)
			continue
		}
		if sig := must(key.Sign([]byte("m")))(t); !pub.Verify([]byte("m"), sig) {
			t.Errorf("%s: the public key refuses the private key's signature", name)
		}
	}
}

// One key in all the forms in which openssl writes it is one key.
func TestOpenSSLForms(t *testing.T) {
	dir := needOpenSSL(t)
	for alg, curve := range map[jwk.Algorithm]string{jwk.ES256: "prime256v1", jwk.ES384: "secp384r1", jwk.ES512: "secp521r1"} {
		openssl(t, dir, "ecparam", "-genkey", "-name", curve, "-out", "key.pem")
		want := must(jwk.ParsePrivatePEM(alg, must(os.ReadFile(filepath.Join(dir, "key.pem")))(t)))(t).KeyID()
		for _, form := range []string{
			"ec", "ec -conv_form compressed", "ec -conv_form hybrid", "ec -no_public", "pkey", "pkey -traditional",
			"pkey -ec_conv_form compressed", "pkey -ec_conv_form hybrid", "pkcs8 -topk8 -nocrypt",
		} {
			openssl(t, dir, append(strings.Fields(form), "-in", "key.pem", "-out", "out.pem")...)
			key, err := jwk.ParsePrivatePEM(alg, must(os.ReadFile(filepath.Join(dir, "out.pem")))(t))
			if err != nil || key.KeyID() != want {
				t.Errorf("%s, %s: %v, %v; want the key %s", curve, form, key, err, want)
			}
		}
	}
}

func TestOpenSSLRSAPublicKey(t *testing.T) {
	dir := needOpenSSL(t)
	openssl(t, dir, "genrsa", "-out", "key.pem", "2048")
	openssl(t, dir, "rsa", "-in", "key.pem", "-RSAPublicKey_out", "-out", "pub.pem")
	if _, err := jwk.ParsePublicPEM(jwk.RS256, must(os.ReadFile(filepath.Join(dir, "pub.pem")))(t)); err != nil {
		t.Error(err)
	}
}

func TestOpenSSLEncrypted(t *testing.T) {
	dir := needOpenSSL(t)
	for name, args := range map[string][]string{
		"PKCS#8":      {"genrsa", "-aes256", "-passout", "pass:x1y2z3", "-out", "key.pem", "2048"},
		"traditional": {"genrsa", "-traditional", "-aes128", "-passout", "pass:x1y2z3", "-out", "key.pem", "2048"},
	} {
		openssl(t, dir, args...)
		_, err := jwk.ParsePrivatePEM(jwk.RS256, must(os.ReadFile(filepath.Join(dir, "key.pem")))(t))
		if !errors.Is(err, jwk.ErrUnsupported) || !strings.Contains(err.Error(), "openssl pkey -in") {
			t.Errorf("%s: %v; want ErrUnsupported with the command that decrypts", name, err)
		}
		openssl(t, dir, "pkey", "-in", "key.pem", "-passin", "pass:x1y2z3", "-out", "plain.pem")
		if _, err := jwk.ParsePrivatePEM(jwk.RS256, must(os.ReadFile(filepath.Join(dir, "plain.pem")))(t)); err != nil {
			t.Errorf("%s, decrypted as the error says: %v", name, err)
		}
	}
}

// What this package writes, openssl reads.
func TestOpenSSLReadsOurs(t *testing.T) {
	dir := needOpenSSL(t)
	for _, alg := range []jwk.Algorithm{jwk.RS256, jwk.ES256, jwk.ES384, jwk.ES512, jwk.EdDSA} {
		key := pair(t, alg)
		for name, data := range map[string][]byte{"key.pem": must(key.ExportPEM())(t), "pub.pem": must(key.Public().ExportPEM())(t)} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		openssl(t, dir, "pkey", "-in", "key.pem", "-check", "-noout")
		openssl(t, dir, "pkey", "-pubin", "-in", "pub.pem", "-pubcheck", "-noout")
	}
}
