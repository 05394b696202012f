package auth

import "slices"

// IsAdministrator says whether the user can administer Writ: holds the reserved
// role and may sign in.
func (u User) IsAdministrator() bool { return !u.Disabled && slices.Contains(u.Roles, RoleAdmin) }
