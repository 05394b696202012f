package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/writ-auth/writ/guardtest"
	"github.com/writ-auth/writ/jwt"
)

const ordersName, stockName = "https://orders.example", "https://stock.example"

// Orders calls stock with a token that is for stock, and exchanges each token
// once.
func TestOrdersAsksStock(t *testing.T) {
	issuer := guardtest.NewIssuer(t)
	exchanged := 0
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if id != "orders" || secret != "s3cret" || r.PostFormValue("audience") != stockName ||
			r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" ||
			r.PostFormValue("subject_token_type") != "urn:ietf:params:oauth:token-type:access_token" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		exchanged++
		var c delegated
		c.Subject, c.ClientID, c.SessionID, c.Audience = "ada", "orders", rand.Text(), jwt.Audience{stockName}
		c.Actor.Subject = "orders"
		fmt.Fprintf(w, `{"access_token":%q,"expires_in":900}`, guardtest.Sign(issuer, c))
	}))
	defer tokens.Close()
	stock := httptest.NewServer(stockAPI(issuer.Guard(stockName)))
	defer stock.Close()
	x := &exchanger{tokenURL: tokens.URL, client: "orders", secret: "s3cret", audience: stockName}
	orders := ordersAPI(issuer.Guard(ordersName), x, stock.URL)
	token := issuer.Token(ordersName, jwt.AccessClaims{Claims: jwt.Claims{Subject: "ada"}})
	for range 3 {
		w := httptest.NewRecorder()
		orders.ServeHTTP(w, guardtest.Bearer(httptest.NewRequest("GET", "/orders", nil), token))
		if w.Code != 200 || w.Body.String() != "orders of ada; 7 left, says stock to orders for ada\n" {
			t.Errorf("%d %q", w.Code, w.Body)
		}
	}
	if exchanged != 1 {
		t.Errorf("the token was exchanged %d times", exchanged)
	}
	w := httptest.NewRecorder()
	orders.ServeHTTP(w, httptest.NewRequest("GET", "/orders", nil))
	if w.Code != 401 {
		t.Errorf("without a token: %d", w.Code)
	}
	req := guardtest.Bearer(httptest.NewRequest("GET", "/stock", nil), token)
	w = httptest.NewRecorder()
	stockAPI(issuer.Guard(stockName)).ServeHTTP(w, req)
	if w.Code != 401 {
		t.Errorf("the caller's own token at stock: %d", w.Code)
	}
	x.secret, x.kept = "wrong", nil
	w = httptest.NewRecorder()
	orders.ServeHTTP(w, guardtest.Bearer(httptest.NewRequest("GET", "/orders", nil), token))
	if w.Code != 502 || strings.Contains(w.Body.String(), "400") {
		t.Errorf("an exchange that fails: %d %q", w.Code, w.Body)
	}
}

func TestUsage(t *testing.T) {
	if err := run(context.Background(), nil, func(string) string { return "" }, io.Discard); err == nil {
		t.Error("a program without a role runs")
	}
}
