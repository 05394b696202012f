// Writ is the authentication server and its tools.
package main

func main() {}
