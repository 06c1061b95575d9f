package harness

import (
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"net"
	"strconv"
)

// FreeAddress is an address on this machine where a program may listen later. Its
// port lies below those that the system gives to whoever asks for any, so that
// nobody is given it meanwhile.
func FreeAddress() (string, error) {
	const lowest, count = 20_000, 12_000
	var lc net.ListenConfig
	for range 100 {
		n, err := rand.Int(rand.Reader, big.NewInt(count))
		if err != nil {
			return "", err
		}
		address := "127.0.0.1:" + strconv.FormatInt(lowest+n.Int64(), 10)
		if l, err := lc.Listen(context.Background(), "tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("no free port")
}
