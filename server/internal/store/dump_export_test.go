package store

// Unportable lists the tables that no back-up holds.
func Unportable() []string { return unportable() }
