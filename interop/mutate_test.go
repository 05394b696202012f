package interop_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Mutations are lists of steps of three bytes: what to do, where, and with
// what. Whatever the bytes, the outcome is a token of the right shape with a
// good signature, so that a fuzzer spends its time on what lies behind that.

// parts are a token's, decoded.
type parts struct{ header, payload, signature []byte }

func (p parts) String() string {
	return encode(p.header) + "." + encode(p.payload) + "." + encode(p.signature)
}

// steps cuts a mutation into at most 24 steps.
func steps(mutation []byte) (list [][3]byte) {
	for chunk := range slices.Chunk(mutation[:min(len(mutation), 72)], 3) {
		if len(chunk) == 3 {
			list = append(list, [3]byte(chunk))
		}
	}
	return list
}

// member is a member of a JSON object, both halves as they are written.
type member struct{ name, value string }

func baseHeader(alg string) []member {
	return []member{{`"alg"`, `"` + alg + `"`}, {`"typ"`, `"JWT"`}}
}

func basePayload() []member {
	return []member{
		{`"iss"`, `"` + issuer + `"`}, {`"sub"`, `"u1"`}, {`"aud"`, `"` + audience + `"`}, {`"exp"`, `1800000900`},
		{`"iat"`, `1800000000`}, {`"nbf"`, `1800000000`}, {`"jti"`, `"a1"`},
	}
}

func headerNames() []string {
	return []string{
		`"alg"`, `"typ"`, `"kid"`, `"cty"`, `"crit"`, `"b64"`, `"jwk"`, `"jku"`, `"x5c"`, `"x5t"`, `"x5t#S256"`, `"x5u"`, `"nonce"`, `"enc"`, `"zip"`,
		`"epk"`, `"apu"`, `"p2c"`, `"iss"`, `"url"`, `"iat"`, `"__proto__"`, `"ALG"`, `"Kid"`, `"\u0061lg"`, `""`, `"x"`,
	}
}

func payloadNames() []string {
	return []string{
		`"iss"`, `"sub"`, `"aud"`, `"exp"`, `"nbf"`, `"iat"`, `"jti"`, `"cnf"`, `"scope"`, `"nonce"`, `"azp"`, `"act"`, `"EXP"`, `"Iss"`, `"\u0065xp"`,
		`"exp "`, `""`, `"x"`, `"é"`, `"\ud83d\ude00"`, `"roles"`, `"__proto__"`,
	}
}

// jsonValues are texts at which readers of JSON and of tokens part ways.
func jsonValues(alg string) []string {
	return []string{
		`null`, `true`, `false`, `0`, `-0`, `1`, `-1`, `1.5`, `1e9`, `1E+9`, `1.8000009e9`, `18000009e2`, `1800000900`, `1800000900.5`, `1800000900.0`,
		`1800000000`, `1800000000.000000001`, `1799999999.999999999`, `1799999999`, `1800000001`, `1800000060`, `1800000061`, `1800000030.5`,
		`1800000900000`, `253402300799`, `253402300800`, `1e300`, `1e400`, `-1e-400`, `9007199254740993`, `9223372036854775807`, `18446744073709551616`,
		`"1800000900"`, `""`, `"x"`, `"` + issuer + `"`, `"` + issuer + `/"`, `"` + audience + `"`, `["` + audience + `"]`, `["x","` + audience + `"]`,
		`["` + audience + `",1]`, `["` + audience + `",null]`, `[["` + audience + `"]]`, `[]`, `{}`, `[1]`, `["x"]`, `{"a":{"b":[null,1,"c"]}}`, `[[[[]]]]`,
		`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00"`, `"\u0000"`, `"\u2028<>&"`, `"\/"`, "\"\xff\"", "\"\xc3\xa9\"", "\"\xed\xa0\x80\"", "\"\t\"", `"'"`,
		`"JWT"`, `"jwt"`, `"application/jwt"`, `"at+jwt"`, `"JWS"`, `"none"`, `"HS256"`, `"` + alg + `"`, `["` + alg + `"]`, `["exp"]`, `["b64"]`, `["x"]`,
		`{"kty":"oct","k":"AA"}`, `{"kty":"EC"}`, `{"jkt":"AA"}`, `"https://issuer.example/jwks.json"`, `["MIIB"]`, `["AAAA",1]`, `+1`, `01`, `1.`, `.5`,
		`NaN`, `Infinity`, `0x10`, `'x'`, `tru`, `[1,]`, `{"a":1,"a":2}`, `{"a":1,"A":2}`, strings.Repeat("[", 40) + strings.Repeat("]", 40),
		`"` + strings.Repeat("k", 300) + `"`, `"` + strings.Repeat("p", 20_000) + `"`,
	}
}

// edit changes an object by steps and writes it.
func edit(object []member, names, values []string, mutation []byte) []byte {
	before, after := "", ""
	for _, s := range steps(mutation) {
		name, value := names[int(s[1])%len(names)], values[int(s[2])%len(values)]
		if len(object) == 0 || s[0]%12 == 2 {
			object = append(object, member{name, value})
			continue
		}
		i := int(s[1]) % len(object)
		m := &object[i]
		switch s[0] % 12 {
		case 0:
			object = slices.Delete(object, i, i+1)
		case 1:
			m.value = value
		case 3:
			object = append(object, member{m.name, value})
		case 4:
			m.name = swapCase(m.name, int(s[2]))
		case 5:
			m.name = escape(m.name, int(s[2]))
		case 6:
			m.value = []string{"[" + m.value + "]", `{"a":` + m.value + "}", " " + m.value + "\n", "[" + m.value + "," + m.value + "]"}[s[2]%4]
		case 7:
			object[0], object[i] = object[i], object[0]
		case 8:
			m.value = overwrite(m.value, s[1], s[2])
		case 9:
			after += []string{"\n", " ", "{}", "\x00", "x", ",", "}", "//"}[s[2]%8]
		case 10:
			before += []string{"\n", " ", "\ufeff", "\x00", "[", "\t"}[s[2]%6]
		case 11:
			object = slices.Insert(object, i, member{m.name, value})
		}
	}
	var b bytes.Buffer
	b.WriteString(before + "{")
	for i, m := range object {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(m.name + ":" + m.value)
	}
	b.WriteString("}" + after)
	return b.Bytes()
}

func swapCase(name string, i int) string {
	b := []byte(name)
	if i %= len(b); b[i]|0x20 >= 'a' && b[i]|0x20 <= 'z' {
		b[i] ^= 0x20
	}
	return string(b)
}

func escape(name string, i int) string {
	if i %= len(name); name[i] == '"' || name[i] == '\\' || name[i] >= 0x80 {
		return name
	}
	return name[:i] + fmt.Sprintf(`\u%04x`, name[i]) + name[i+1:]
}

func overwrite(text string, i, c byte) string {
	b := []byte(text)
	b[int(i)%len(b)] = c
	return string(b)
}

// damage changes a token by steps: its signature's bytes first, then its text.
func damage(p parts, mutation []byte) string {
	text := []string{encode(p.header), encode(p.payload)}
	sig := bytes.Clone(p.signature)
	var late [][3]byte
	for _, s := range steps(mutation) {
		i := int(s[1])
		if len(sig) > 0 {
			i %= len(sig)
		}
		switch s[0] % 16 {
		case 0:
			if len(sig) > 0 {
				sig[i] ^= 1 << (s[2] % 8)
			}
		case 1:
			sig = sig[:min(i, len(sig))]
		case 2:
			sig = append(sig, s[2])
		case 3:
			sig = append([]byte{s[2]}, sig...)
		case 4:
			slices.Reverse(sig)
		case 5:
			clear(sig)
		default:
			late = append(late, s)
		}
	}
	token := strings.Join(append(text, encode(sig)), ".")
	for _, s := range late {
		token = damageText(token, s)
	}
	return token
}

func damageText(token string, s [3]byte) string {
	if token == "" {
		return token
	}
	// The places that matter are at the parts' ends: half of the steps go there.
	i := (int(s[1])<<8 | int(s[2])) % len(token)
	if s[1]&1 == 1 {
		ends := []int{0, strings.IndexByte(token, '.'), strings.LastIndexByte(token, '.'), len(token)}
		i = min(max(ends[int(s[1]>>1)%4]-int(s[2]&1), 0), len(token)-1)
	}
	insert := []string{"=", "==", ".", "\n", "\r\n", " ", "+", "/", "A", "\x00", "%", "é", "-", "_", "..", "?"}[s[2]>>4]
	switch s[0] % 16 {
	case 6, 7, 8:
		return token[:i] + insert + token[i:]
	case 9:
		return token + insert
	case 10:
		return insert + token
	case 11:
		return token[:i] + token[i+1:]
	case 12:
		return token[:i] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[s[2]%64]) + token[i+1:]
	case 13:
		return strings.NewReplacer("-", "+", "_", "/").Replace(token)
	case 14:
		return token[:i]
	}
	return token
}
