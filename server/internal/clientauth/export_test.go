package clientauth

// Presented is what credentials come down to.
func Presented(c Credentials) (method, id string, err error) {
	p, err := c.read()
	return p.method, p.id, err
}
