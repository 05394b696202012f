// Package browser tests what browsers do with Writ's cookies, with a real
// Chromium: what it stores and sends, what it lets the pages of other origins
// do, and what a reload in the wrong moment leaves behind. Only a browser can
// show that; the answers of the server are tested elsewhere.
//
// Three parties play: Writ, the built program; an application on Writ's own
// origin, which routes by path; and hostile pages, once of the same site and
// once of another. The cookies of a host are shared by all its ports, so that
// http://localhost:1 and http://localhost:2 are two origins of one site whose
// pages send the same cookies: SameSite protects nothing there. To
// http://127.0.0.1 both are another site.
package browser
