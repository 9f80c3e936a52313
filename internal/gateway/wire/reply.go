package wire

import (
	"fmt"
	"io"
	"net"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"
)

const (
	msgOverhead   = headerLength + 4 + 1         // header, flags, section kind
	replyOverhead = headerLength + 4 + 8 + 4 + 4 // header, flags, cursor id, starting from, number returned
)

// WriteMsg answers the message responseTo with one document in an OP_MSG. The document is not copied.
func WriteMsg(w io.Writer, responseTo int32, doc bsoncore.Document) error {
	head := make([]byte, 0, msgOverhead)
	head = wiremessage.AppendHeader(head, int32(msgOverhead+len(doc)), wiremessage.NextRequestID(), responseTo, wiremessage.OpMsg)
	head = wiremessage.AppendMsgFlags(head, 0)
	head = wiremessage.AppendMsgSectionType(head, wiremessage.SingleDocument)
	return write(w, head, doc)
}

// WriteReply answers the OP_QUERY responseTo with one document in an OP_REPLY. The document is not copied.
func WriteReply(w io.Writer, responseTo int32, doc bsoncore.Document) error {
	head := make([]byte, 0, replyOverhead)
	head = wiremessage.AppendHeader(head, int32(replyOverhead+len(doc)), wiremessage.NextRequestID(), responseTo, wiremessage.OpReply)
	head = wiremessage.AppendReplyFlags(head, wiremessage.AwaitCapable)
	head = wiremessage.AppendReplyCursorID(head, 0)
	head = wiremessage.AppendReplyStartingFrom(head, 0)
	head = wiremessage.AppendReplyNumberReturned(head, 1)
	return write(w, head, doc)
}

// write sends both parts in one system call where the writer is a connection.
func write(w io.Writer, head []byte, doc bsoncore.Document) error {
	parts := net.Buffers{head, doc}
	if _, err := parts.WriteTo(w); err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	return nil
}
