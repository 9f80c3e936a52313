package bench

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// wireClient is one connection and nothing else: a driver would keep pools and monitors of its own.
type wireClient struct{ net.Conn }

// dialWire connects to a cluster, by TLS if secure is not nil, logs in as a user whose client it is handed, and finds something.
func dialWire(ctx context.Context, address string, secure *tls.Config, user *scram.Client) (c *wireClient, err error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer func() {
		if err != nil {
			_ = conn.Close()
		}
	}()
	if secure != nil {
		shaken := tls.Client(conn, secure)
		if err := shaken.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("shake hands: %w", err)
		}
		conn = shaken
	}
	c = &wireClient{conn}
	if _, err := c.command(bson.D{{Key: "hello", Value: 1}, {Key: "$db", Value: "admin"}}); err != nil {
		return nil, err
	}
	if err := c.logIn(user); err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	_, err = c.command(bson.D{{Key: "find", Value: "docs"}, {Key: "limit", Value: 1}, {Key: "$db", Value: "bench"}})
	return c, err
}

// logIn proves to know the password. A client that is used again has the key derived already.
func (c *wireClient) logIn(user *scram.Client) error {
	conversation := user.NewConversation()
	first, err := conversation.Step("")
	if err != nil {
		return err
	}
	reply, err := c.command(bson.D{
		{Key: "saslStart", Value: 1},
		{Key: "mechanism", Value: "SCRAM-SHA-256"},
		{Key: "payload", Value: []byte(first)},
		{Key: "options", Value: bson.D{{Key: "skipEmptyExchange", Value: true}}},
		{Key: "$db", Value: "admin"},
	})
	if err != nil {
		return err
	}
	_, payload := reply.Lookup("payload").Binary()
	second, err := conversation.Step(string(payload))
	if err != nil {
		return err
	}
	_, err = c.command(bson.D{
		{Key: "saslContinue", Value: 1},
		{Key: "conversationId", Value: reply.Lookup("conversationId").Int32()},
		{Key: "payload", Value: []byte(second)},
		{Key: "$db", Value: "admin"},
	})
	return err
}

const (
	wireHeader   = 16
	wireSections = 5 // flags and the kind of the only section
	opMsg        = 2013
)

// command runs a command and returns its reply; one that is not ok is an error.
func (c *wireClient) command(doc bson.D) (bson.Raw, error) {
	body, err := bson.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", doc[0].Key, err)
	}
	message := make([]byte, wireHeader+wireSections, wireHeader+wireSections+len(body))
	binary.LittleEndian.PutUint32(message, uint32(cap(message)))
	binary.LittleEndian.PutUint32(message[12:], opMsg)
	if _, err := c.Write(append(message, body...)); err != nil {
		return nil, fmt.Errorf("send %s: %w", doc[0].Key, err)
	}
	reply, err := c.reply()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doc[0].Key, err)
	}
	if ok, isDouble := reply.Lookup("ok").DoubleOK(); !isDouble || ok != 1 {
		return nil, fmt.Errorf("%s: %s", doc[0].Key, reply)
	}
	return reply, nil
}

func (c *wireClient) reply() (bson.Raw, error) {
	head := make([]byte, wireHeader+wireSections)
	if _, err := io.ReadFull(c, head); err != nil {
		return nil, fmt.Errorf("read reply: %w", err)
	}
	const most = 48_000_000
	length := binary.LittleEndian.Uint32(head)
	if length <= wireHeader+wireSections || length > most {
		return nil, errors.New("read reply: its length makes no sense")
	}
	body := make(bson.Raw, length-wireHeader-wireSections)
	if _, err := io.ReadFull(c, body); err != nil {
		return nil, fmt.Errorf("read reply: %w", err)
	}
	return body, nil
}
