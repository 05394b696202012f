package lint

// Rule is one thing that tokens are checked for.
type Rule struct {
	ID        string // stable: a CI may name it
	Level     Level
	Title     string // in one line, what is wrong
	Why       string // what it leads to, and what to do
	Reference string
	Fatal     bool // the grade is F whatever else is well
}

// Rules lists every rule.
func Rules() []Rule {
	var all []Rule
	for _, part := range [][]Rule{formRules(), headerRules(), claimRules(), timeRules(), dataRules(), signatureRules()} {
		all = append(all, part...)
	}
	return all
}

// ruleOf panics for an id that isn't in the lists: a mistake in this package.
func ruleOf(id string) Rule {
	for _, r := range Rules() {
		if r.ID == id {
			return r
		}
	}
	panic("lint: no rule " + id)
}

func formRules() []Rule {
	return []Rule{
		{ID: "form-parts", Level: Error, Fatal: true, Title: "Not a token in compact form",
			Why:       "A signed token has exactly three parts with dots between them; nobody can read anything else.",
			Reference: "RFC 7515 7.1"},
		{ID: "form-json", Level: Error, Fatal: true, Title: "JSON serialisation instead of the compact one",
			Why:       "A JWT is compact by definition. Libraries that take both forms were tricked with texts that are one thing to the parser and another to the verifier.",
			Reference: "RFC 7519 1; 8725bis 3.14"},
		{ID: "form-encrypted", Level: Info, Title: "Encrypted: only the header can be looked at",
			Why:       "What is inside is judged by whoever can decrypt it. Make sure that there is a signed token in it: encryption to a public key proves no sender.",
			Reference: "RFC 8725 3.3; RFC 7519 11.2"},
		{ID: "form-base64", Level: Error, Title: "Not canonical base64url",
			Why:       "Padding, another alphabet, white space or stray bits give one token many spellings. Strict verifiers refuse it, and lists of revoked or seen tokens miss it.",
			Reference: "RFC 7515 2"},
		{ID: "json-broken", Level: Error, Fatal: true, Title: "Header or payload is no JSON object",
			Why:       "Both must be JSON objects; no verifier can read this.",
			Reference: "RFC 7519 7.2"},
		{ID: "json-utf8", Level: Error, Title: "Header or payload is not UTF-8",
			Why:       "Readers replace or drop the wrong bytes, each in its own way, so that two names which differ here are the same there.",
			Reference: "RFC 8725 3.7"},
		{ID: "json-duplicate", Level: Error, Title: "A member name occurs twice",
			Why:       "One parser takes the first, another the last: the signature covers both, and who checks sees something else than who uses.",
			Reference: "RFC 7519 4; RFC 7515 4"},
		{ID: "json-case", Level: Error, Title: "Names that differ only in letter case, or a registered name in another case",
			Why:       "Names are case-sensitive, yet some parsers (Go's encoding/json) read “EXP” as exp: what one verifier enforces another doesn't see.",
			Reference: "RFC 7519 10.1.1; RFC 7515 4"},
		{ID: "json-strict", Level: Error, Title: "JSON that strict parsers refuse",
			Why:       "Text after the object, a byte order mark, lone surrogates, extreme numbers or nesting: parsers disagree on it, and careful verifiers refuse the token.",
			Reference: "RFC 8725 2.6, 3.7; RFC 8259"},
		{ID: "size-cookie", Level: Warning, Title: "Too large for a cookie",
			Why:       "Browsers drop a cookie of more than 4096 bytes without a word. Carry fewer claims; look up what is rarely used.",
			Reference: "RFC 6265 6.1"},
		{ID: "size-header", Level: Error, Title: "Too large for a request header",
			Why:       "Proxies and servers refuse headers of more than 8 KB, often with a bare 400 or 431, and the token is sent with every request.",
			Reference: "RFC 9110 5.4"},
	}
}

func headerRules() []Rule {
	return []Rule{
		{ID: "alg-none", Level: Error, Fatal: true, Title: "Algorithm “none”: not signed",
			Why:       "Anyone can write such a token. Sign it; a verifier must refuse it in every spelling.",
			Reference: "RFC 8725 3.1, 3.2; OWASP JWT cheat sheet, None hashing algorithm"},
		{ID: "alg-missing", Level: Error, Fatal: true, Title: "No algorithm",
			Why:       "“alg” is required and a string. A verifier that fills it in has to guess.",
			Reference: "RFC 7515 4.1.1"},
		{ID: "alg-deprecated", Level: Error, Title: "Broken or deprecated algorithm",
			Why:       "SHA-1 signatures can be forged with money, RSA1_5 encryption can be opened by asking a server often enough. Use ES256 or Ed25519; for encryption ECDH-ES or RSA-OAEP-256.",
			Reference: "RFC 8725 3.2; draft-ietf-jose-deprecate-none-rsa15"},
		{ID: "alg-unknown", Level: Error, Title: "Unknown algorithm",
			Why:       "It is not in the registry of signature algorithms. Names are case-sensitive: es256 is nothing.",
			Reference: "RFC 8725 3.1, 3.2"},
		{ID: "alg-shared", Level: Info, Title: "Signed with a shared secret",
			Why:       "Whoever can verify it can forge it. That is right for one service that checks its own tokens; for tokens that others check use a key pair (ES256).",
			Reference: "RFC 8725 3.5; OWASP JWT cheat sheet, Weak token secret"},
		{ID: "alg-shared-many", Level: Warning, Title: "One shared secret for several audiences",
			Why:       "Each of the audiences holds the secret, so each can make tokens for the others. Use a key pair, or a secret for each.",
			Reference: "RFC 8725 3.9"},
		{ID: "alg-password", Level: Warning, Title: "Encrypted under a password",
			Why:       "The token says how often to hash (“p2c”): a large number stalls whoever decrypts. Passwords are guessed offline. Use a key.",
			Reference: "RFC 8725 3.5; 8725bis 3.13"},
		{ID: "alg-polymorphic", Level: Info, Title: "“EdDSA” doesn't say which curve",
			Why:       "RFC 9864 deprecates the name for Ed25519 and Ed448, which say all. It does no harm with a verifier whose key knows its curve.",
			Reference: "RFC 9864 2.2; 8725bis 3.2"},
		{ID: "zip", Level: Warning, Title: "Compressed",
			Why:       "Compression before encryption leaks by length, and a few bytes can unpack to gigabytes.",
			Reference: "RFC 8725 3.6; 8725bis 3.15"},
		{ID: "typ-missing", Level: Warning, Title: "No type",
			Why:       "Without “typ” an ID token, or a token for another purpose from the same issuer, passes for an access token. Set at+jwt on access tokens and a type of its own on every other kind.",
			Reference: "RFC 8725 3.11; RFC 9068 2.1"},
		{ID: "typ-generic", Level: Warning, Title: "Type “JWT” says nothing",
			Why:       "Every kind of token may have it, so that one kind passes for another. Set at+jwt on access tokens.",
			Reference: "RFC 8725 3.11; RFC 9068 2.1"},
		{ID: "typ-wrong", Level: Error, Title: "The type is not a string",
			Why:       "Verifiers refuse it, or skip the check.",
			Reference: "RFC 7515 4.1.9"},
		{ID: "kid-missing", Level: Info, Title: "No key id",
			Why:       "Once there are two keys, as during every rotation, a verifier has to try them all or give up.",
			Reference: "RFC 7515 4.1.4; RFC 9068 2.1"},
		{ID: "kid-wrong", Level: Error, Title: "The key id is not a string",
			Why:       "Verifiers refuse it, or look it up in ways that nobody has thought of.",
			Reference: "RFC 7515 4.1.4"},
		{ID: "kid-injection", Level: Error, Title: "The key id holds characters of paths, URLs, queries or commands",
			Why:       "Verifiers have opened it as a file (“../../dev/null” is an empty secret) and put it into SQL. Use a thumbprint (RFC 7638), and look it up in a map alone.",
			Reference: "RFC 8725 3.10"},
		{ID: "kid-long", Level: Error, Title: "The key id is longer than 256 bytes",
			Why:       "It is a name. Long ones carry something else, and verifiers with a limit refuse them.",
			Reference: "RFC 8725 3.10"},
		{ID: "key-url", Level: Error, Title: "The header says where to fetch the key",
			Why:       "“jku” and “x5u” are written by whoever made the token. A verifier that follows them takes a forger's key, or calls an internal address. Publish keys at the issuer.",
			Reference: "RFC 8725 3.10; RFC 7515 4.1.2, 4.1.5"},
		{ID: "key-embedded", Level: Error, Title: "The header brings its own key",
			Why:       "A verifier that uses “jwk” accepts any token. It belongs into proofs of possession (DPoP) only.",
			Reference: "RFC 8725 3.1, 3.10; RFC 7515 4.1.3"},
		{ID: "key-chain", Level: Warning, Title: "The header brings its own certificate",
			Why:       "“x5c” proves nothing unless the chain is checked up to a root that was chosen beforehand; many verifiers don't.",
			Reference: "RFC 8725 3.10; RFC 7515 4.1.6"},
		{ID: "crit-unknown", Level: Error, Title: "Critical extensions",
			Why:       "Verifiers must refuse what they don't understand, and no extension is in common use for JWTs. Some ignore “crit”, which is worse.",
			Reference: "RFC 7515 4.1.11"},
		{ID: "crit-wrong", Level: Error, Title: "“crit” is malformed",
			Why:       "It must be a list of names of other members that are in the header, each once, none of them of the base standard, and not empty.",
			Reference: "RFC 7515 4.1.11"},
		{ID: "b64", Level: Error, Title: "Unencoded payload",
			Why:       "“b64” must not be used with JWTs: what is signed is then not what is parsed.",
			Reference: "RFC 7797 7"},
		{ID: "nested", Level: Info, Title: "A token within a token",
			Why:       "“cty”: “JWT” announces another token inside, which has to be verified by itself.",
			Reference: "RFC 7519 5.2, 11.2"},
	}
}

func signatureRules() []Rule {
	return []Rule{
		{ID: "sig-empty", Level: Error, Fatal: true, Title: "No signature",
			Why:       "Anyone can write such a token; verifiers have been found that take it.",
			Reference: "RFC 8725 3.3"},
		{ID: "sig-constant", Level: Error, Fatal: true, Title: "The signature is one byte over and over",
			Why:       "No algorithm makes that. A signature of zeros was accepted by a widespread library (CVE-2022-21449); this is an attack, or a placeholder.",
			Reference: "RFC 8725 3.3, 3.4"},
		{ID: "sig-length", Level: Error, Title: "The signature has the wrong length",
			Why:       "Each algorithm has one. ECDSA signatures are two numbers of fixed size; many tools write DER instead, which has to be converted.",
			Reference: "RFC 7518 3.2, 3.4; RFC 8037 3.1"},
		{ID: "sig-rsa-small", Level: Error, Title: "RSA key of less than 2048 bits",
			Why:       "The signature is as long as the key. Such keys have been factored, or soon will be; verifiers refuse them.",
			Reference: "RFC 7518 3.3, 3.5; RFC 8725 3.5"},
		{ID: "secret-known", Level: Error, Fatal: true, Title: "The shared secret is publicly known",
			Why:       "The signature was reproduced with a secret from examples and word lists, or with a value out of the token itself: anyone can make such tokens. Make a new one: writ keys generate --alg HS256.",
			Reference: "RFC 8725 3.5; OWASP JWT cheat sheet, Weak token secret"},
		{ID: "sig-key", Level: Error, Fatal: true, Title: "Not signed with the key given",
			Why:       "The token was changed, or signed with another key or algorithm.",
			Reference: "RFC 8725 3.1, 3.3"},
	}
}
