package guard

import "slices"

// clone returns a copy that shares nothing with the caller's which could change
// under a guard: whoever wipes a secret that he has handed over would otherwise
// leave it one that everybody knows.
func (cfg Config) clone() Config {
	cfg.Issuers = slices.Clone(cfg.Issuers)
	for n := range cfg.Issuers {
		i := &cfg.Issuers[n]
		i.Audience = slices.Clone(i.Audience)
		i.Paths = Paths{slices.Clone(i.Paths.Roles), slices.Clone(i.Paths.Permissions), slices.Clone(i.Paths.Scope)}
		i.Credentials = copied(i.Credentials)
		i.ClientSigned = copied(i.ClientSigned)
	}
	cfg.TrustedOrigins = slices.Clone(cfg.TrustedOrigins)
	cfg.Credentials = copied(cfg.Credentials)
	cfg.DPoP.NonceSecrets = slices.Clone(cfg.DPoP.NonceSecrets)
	for n, secret := range cfg.DPoP.NonceSecrets {
		cfg.DPoP.NonceSecrets[n] = slices.Clone(secret)
	}
	return cfg
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
