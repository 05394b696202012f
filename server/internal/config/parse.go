package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Each error of this file ends the sentence `"…" is wrong: …` with what would
// be right.

func text(at func(*Config) *string, check func(string) error) codec {
	return codec{
		parse: func(c *Config, text string) error {
			if err := check(text); err != nil {
				return err
			}
			*at(c) = text
			return nil
		},
		print: func(c *Config) string { return *at(c) },
	}
}

// duration is a Go duration from least to most, in multiples of step.
func duration(at func(*Config) *time.Duration, least, most, step time.Duration) codec {
	return codec{
		parse: func(c *Config, text string) error {
			d, err := time.ParseDuration(text)
			if err != nil {
				return errors.New("give a duration with its unit, such as 30s, 15m or 168h")
			}
			if d < least || d > most {
				return fmt.Errorf("give a duration from %s to %s", short(least), short(most))
			}
			if d%step != 0 {
				return fmt.Errorf("give a multiple of %s", short(step))
			}
			*at(c) = d
			return nil
		},
		print: func(c *Config) string { return short(*at(c)) },
	}
}

// short is d without the zeros that Duration.String puts at its end.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func choice[T ~string](at func(*Config) *T, choices ...T) codec {
	return codec{
		parse: func(c *Config, text string) error {
			if !slices.Contains(choices, T(text)) {
				names := make([]string, len(choices))
				for i, c := range choices {
					names[i] = string(c)
				}
				return errors.New("give one of " + strings.Join(names, ", "))
			}
			*at(c) = T(text)
			return nil
		},
		print: func(c *Config) string { return string(*at(c)) },
	}
}

func toggle(at func(*Config) *bool) codec {
	return codec{
		parse: func(c *Config, text string) error {
			if text != "on" && text != "off" {
				return errors.New("give on or off")
			}
			*at(c) = text == "on"
			return nil
		},
		print: func(c *Config) string {
			if *at(c) {
				return "on"
			}
			return "off"
		},
	}
}

func logLevel() codec {
	return codec{
		parse: func(c *Config, text string) error {
			if !slices.Contains([]string{"debug", "info", "warn", "error"}, text) {
				return errors.New("give debug, info, warn or error")
			}
			return c.LogLevel.UnmarshalText([]byte(text))
		},
		print: func(c *Config) string { return strings.ToLower(c.LogLevel.String()) },
	}
}

type prefixes []netip.Prefix

// list is values with commas between them.
func list[S ~[]T, T any](at func(*Config) *S, parse func(string) (T, error), print func(T) string) codec {
	return codec{
		parse: func(c *Config, text string) error {
			var items S
			for part := range strings.SplitSeq(text, ",") {
				item, err := parse(strings.TrimSpace(part))
				if err != nil {
					return err
				}
				items = append(items, item)
			}
			*at(c) = items
			return nil
		},
		print: func(c *Config) string {
			texts := make([]string, 0, len(*at(c)))
			for _, item := range *at(c) {
				texts = append(texts, print(item))
			}
			return strings.Join(texts, ",")
		},
	}
}

func identity(s string) string { return s }

// prefix is a network of proxies, which can't be everybody.
func prefix(text string) (netip.Prefix, error) {
	p, err := network(text)
	if err == nil && p.Bits() == 0 {
		return netip.Prefix{}, errors.New("a network of everybody would let any client choose its own address")
	}
	return p, err
}

// network is a network, or an address as a network of one.
func network(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("give addresses or networks, such as 10.0.0.7 or 10.0.0.0/8, with commas between them")
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("a network has zeros after its prefix; give %s", p.Masked())
	}
	return p, nil
}

func printPrefix(p netip.Prefix) string { return p.String() }

// size is a count of bytes with a binary unit.
func size(at func(*Config) *int64, least int64) codec {
	return codec{
		parse: func(c *Config, text string) error {
			n, err := parseSize(text)
			if err != nil {
				return err
			}
			if n < least {
				return fmt.Errorf("give at least %s", printSize(least))
			}
			*at(c) = n
			return nil
		},
		print: func(c *Config) string { return printSize(*at(c)) },
	}
}

func parseSize(text string) (int64, error) {
	wrong := errors.New("give a size with its unit, such as 256MiB or 1GiB")
	digits, shift := text, 0
	for unit, bits := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			digits, shift = number, bits
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63-shift)
	if err != nil || shift == 0 || (len(digits) > 1 && digits[0] == '0') {
		return 0, wrong
	}
	if n > (1<<40)>>shift {
		return 0, errors.New("give at most 1024GiB")
	}
	return int64(n) << shift, nil
}

func printSize(n int64) string {
	switch {
	case n%(1<<30) == 0:
		return strconv.FormatInt(n>>30, 10) + "GiB"
	case n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + "MiB"
	}
	return strconv.FormatInt(n>>10, 10) + "KiB"
}

func hostPort(text string) error {
	wrong := errors.New("give host:port, such as 127.0.0.1:8080 or :8080")
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return wrong
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return wrong
	}
	if _, err := netip.ParseAddr(host); host != "" && err != nil {
		if _, err := hostName(host); err != nil {
			return wrong
		}
	}
	return nil
}

// hostName is a DNS name in lower case, as browsers send it.
func hostName(text string) (string, error) {
	wrong := errors.New("give a host name in lower case, without a port")
	if text == "" || len(text) > 253 {
		return "", wrong
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || !only(label, "-") {
			return "", wrong
		}
	}
	return text, nil
}

// only reports whether s has nothing but lower-case letters, digits and what
// else names.
func only(s, also string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789"+also) == "" &&
		!strings.ContainsFunc(s, func(c rune) bool { return c > '~' || c <= ' ' })
}

func path(text string) error {
	if text == "" || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return errors.New("give a path")
	}
	return nil
}

func cookiePath(text string) error {
	wrong := errors.New("give a path such as /v1: it begins with a slash, and ends without")
	rest, ok := strings.CutPrefix(text, "/")
	if !ok {
		return wrong
	}
	for part := range strings.SplitSeq(rest, "/") {
		if part == "" || part == "." || part == ".." || !only(strings.ToLower(part), "-_.~") {
			return wrong
		}
	}
	return nil
}

// domain is the parent of a host: two labels at least, for a cookie of a whole
// top-level domain would travel to strangers.
func domain(text string) error {
	_, err := hostName(text)
	_, isAddr := netip.ParseAddr(text)
	if err != nil || isAddr == nil || !strings.Contains(text, ".") {
		return errors.New("give a domain such as example.com, in lower case and without a dot before it")
	}
	return nil
}

func database(text string) error {
	wrong := errors.New("give sqlite: and a path, such as sqlite:./writ-data/writ.db, or postgres://user@host/database")
	if file, ok := strings.CutPrefix(text, "sqlite:"); ok {
		// What follows a question mark would be options of the driver.
		if path(file) != nil || strings.Contains(file, "?") {
			return wrong
		}
		return nil
	}
	if !isPostgres(text) {
		return wrong
	}
	if u, err := url.Parse(text); err != nil || u.Host == "" {
		return errors.New("give postgres://user@host/database")
	}
	return nil
}

func isPostgres(text string) bool {
	return strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://")
}

func redis(text string) error {
	u, err := url.Parse(text)
	wrong := errors.New("give redis://host:port, rediss://host:port (TLS) or unix:///path")
	if err != nil || u.Fragment != "" {
		return wrong
	}
	switch u.Scheme {
	case "redis", "rediss":
		if u.Hostname() == "" {
			return wrong
		}
	case "unix":
		if u.Path == "" || u.Host != "" {
			return wrong
		}
	default:
		return wrong
	}
	return nil
}

// issuer checks the rule that makes the issuer equal to what verifiers compare
// and browsers send: an origin, spelt in its one way.
func issuer(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return errors.New("give an https URL, such as https://auth.example.com")
	}
	if u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || text != u.Scheme+"://"+u.Host {
		return errors.New("an issuer has no path, query, fragment, user or trailing slash; give https://host or https://host:port")
	}
	addr, notAddr := netip.ParseAddr(u.Hostname())
	if notAddr != nil {
		if _, err := hostName(u.Hostname()); err != nil {
			return errors.New("the host must be a name in lower case (in punycode, if international) or an address")
		}
	} else if canonical(addr) != strings.TrimSuffix(u.Host, ":"+u.Port()) {
		return fmt.Errorf("write the address as %s", canonical(addr))
	}
	if err := issuerPort(u); err != nil {
		return err
	}
	if u.Scheme == "http" && u.Hostname() != "localhost" && !addr.IsLoopback() {
		return errors.New("plain http is for loopback only (localhost, 127.0.0.1, [::1]); give an https URL")
	}
	return nil
}

func canonical(addr netip.Addr) string {
	if addr.Is6() {
		return "[" + addr.String() + "]"
	}
	return addr.String()
}

func issuerPort(u *url.URL) error {
	port := u.Port()
	if strings.HasSuffix(u.Host, ":") || port == "0" {
		return errors.New("the port is missing")
	}
	if port == "" {
		return nil
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return errors.New("the port must be a number from 1 to 65535")
	}
	if (u.Scheme == "https" && port == "443") || (u.Scheme == "http" && port == "80") {
		return errors.New("leave the port out: it is the scheme's own, and browsers leave it out too")
	}
	return nil
}

// brandName is a line of text.
func brandName(s string) error {
	if s == "" || utf8.RuneCountInString(s) > 60 || strings.ContainsFunc(s, unicode.IsControl) || !utf8.ValidString(s) {
		return errors.New("give a name of at most 60 characters")
	}
	return nil
}

// brandColor is a colour's form. Whether it can be read is checked where pages
// are made.
func brandColor(s string) error {
	if len(s) == 7 && s[0] == '#' {
		if _, err := strconv.ParseUint(s[1:], 16, 32); err == nil {
			return nil
		}
	}
	return errors.New("give a colour such as #7a1f5c")
}
