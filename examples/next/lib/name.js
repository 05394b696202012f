// What to call somebody. A token leaves out what its owner hasn't given, and an
// e-mail address that nobody has verified: whoever signs up has none at first.
export const nameOf = ({ claims, subject }) => claims.name ?? claims.email ?? subject
