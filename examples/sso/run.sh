#!/bin/sh
# Registers two applications with the server that "make run" started, and starts
# both. Ctrl-C ends them; a second run finds the clients there and makes them anew.
set -eu
cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$dir"' EXIT INT TERM

go build -o "$dir/sso" ./examples/sso
for app in a b; do
	[ "$app" = a ] && port=3001 || port=3002
	origin="http://app-$app.localhost:$port"
	bin/writ apis add "$origin" >/dev/null 2>&1 || true
	bin/writ clients remove "app-$app" >/dev/null 2>&1 || true
	bin/writ clients add "app-$app" --name "Application $app" --skip-consent \
		--redirect-uri "$origin/callback" --post-logout-redirect-uri "$origin/" \
		--backchannel-logout-uri "http://127.0.0.1:$port/backchannel-logout" \
		--audience "$origin" --secret-out "$dir/$app.secret" >/dev/null
	"$dir/sso" -name "Application $app" -client "app-$app" -secret-file "$dir/$app.secret" \
		-listen "127.0.0.1:$port" -origin "$origin" &
done
wait
