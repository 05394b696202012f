package limit

import (
	"context"
	"errors"

	"github.com/gomodule/redigo/redis"
)

// Dial opens a connection of its own to the Redis of a URL, as RedisOptions has
// it, for who sends more than those who count could wait for.
func Dial(ctx context.Context, url string) (redis.Conn, error) {
	s, err := parseServer(url, nil)
	if err != nil {
		return nil, errors.New("limit: the URL of Redis can't be used") // the cause may repeat a password
	}
	return redis.DialContext(ctx, s.network, s.address, append([]redis.DialOption{redis.DialConnectTimeout(dialWithin),
		redis.DialTLSHandshakeTimeout(dialWithin), redis.DialReadTimeout(dialWithin), redis.DialWriteTimeout(dialWithin)}, s.options...)...)
}
