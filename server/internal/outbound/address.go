package outbound

import "net/netip"

// Public says whether an address is one of the public Internet, by the
// special-purpose registries of RFC 6890. Forms that carry an IPv4 address in an
// IPv6 one (mapped, NAT64, 6to4, Teredo) are not: behind them could be any.
func Public(addr netip.Addr) bool {
	addr = addr.Unmap()
	if !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.Zone() != "" {
		return false
	}
	if addr.Is6() && !globalIPv6().Contains(addr) {
		return false
	}
	for _, network := range special() {
		if network.Contains(addr) {
			return false
		}
	}
	return true
}

// globalIPv6 is all that has been handed out of IPv6. NAT64 (64:ff9b::/96),
// IPv4-compatible and unique local addresses lie outside.
func globalIPv6() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20}), 3)
}

// special lists what isn't public although nothing in its form says so.
func special() []netip.Prefix {
	v4 := func(a, b, c, d byte, bits int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{a, b, c, d}), bits)
	}
	v6 := func(a, b, c, d byte, bits int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom16([16]byte{a, b, c, d}), bits)
	}
	return []netip.Prefix{
		v4(0, 0, 0, 0, 8),             // this network
		v4(100, 64, 0, 0, 10),         // carriers' NAT; a metadata service, too
		v4(168, 63, 129, 16, 32),      // Azure's host, which every machine there reaches
		v4(192, 0, 0, 0, 24),          // protocol assignments; a metadata service, too
		v4(192, 0, 2, 0, 24),          // documentation
		v4(192, 88, 99, 0, 24),        // 6to4 relays
		v4(198, 18, 0, 0, 15),         // benchmarks
		v4(198, 51, 100, 0, 24),       // documentation
		v4(203, 0, 113, 0, 24),        // documentation
		v4(240, 0, 0, 0, 4),           // reserved, broadcast
		v6(0x20, 0x01, 0, 0, 23),      // protocol assignments, Teredo among them
		v6(0x20, 0x01, 0xd, 0xb8, 32), // documentation
		v6(0x20, 0x02, 0, 0, 16),      // 6to4
		v6(0x3f, 0xff, 0, 0, 20),      // documentation
	}
}
