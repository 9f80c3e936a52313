package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"tine/internal/gateway/mongoerr"
)

// errPlaintext ends connections that had to speak TLS and do not.
var errPlaintext = errors.New("the client does not speak TLS")

func deadline(d time.Duration) time.Time { return time.Now().Add(d) }

// open finds out whether a new connection speaks TLS, and if so does the handshake. The first byte and the handshake may each take
// as long as patience. After an error nothing may be read or written any more.
func (c *conn) open(ctx context.Context, patience time.Duration) error {
	if err := c.setReadDeadline(patience); err != nil {
		return err
	}
	if err := c.reader.await(); err != nil {
		return err
	}
	cl := c.cluster
	if cl.tls == nil {
		return nil
	}
	secure, err := c.startsHandshake()
	switch {
	case err != nil:
		return err
	case secure:
		return c.shakeHands(ctx, patience)
	case cl.plaintext && c.remote.IsLoopback():
		return nil
	}
	cl.stats.plaintext.Add(1)
	if c.remote.IsLoopback() { // who is on this machine may know what runs here
		c.answerOnce(mongoerr.New(mongoerr.ProtocolError, "this cluster requires TLS; add tls=true and its CA to the connection string"))
	}
	return errPlaintext
}

// startsHandshake reports whether the connection begins as a TLS handshake does: record type, then version. One byte is not
// enough, because a message of MongoDB's begins with its length, and one of 278 bytes with the same byte. A message that began
// with all three would have 66,326 bytes, which is more than anybody may say before log-in.
func (c *conn) startsHandshake() (bool, error) {
	const record, major, newest = 0x16, 0x03, 0x04
	if c.reader.pending[0] != record {
		return false, nil
	}
	if err := c.reader.grow(3); err != nil {
		return false, err
	}
	p := c.reader.pending
	return p[1] == major && p[2] >= 1 && p[2] <= newest, nil
}

func (c *conn) shakeHands(ctx context.Context, patience time.Duration) error {
	if err := c.net.SetDeadline(deadline(patience)); err != nil {
		return err
	}
	secured := tls.Server(&unread{c.net, c.reader}, c.cluster.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		c.cluster.stats.handshakeFailures.Add(1)
		return fmt.Errorf("TLS handshake: %w", err)
	}
	c.stream = secured
	c.reader = newReader(secured, c.cluster.buffers)
	return c.net.SetDeadline(time.Time{})
}
