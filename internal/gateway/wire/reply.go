package wire

import (
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"
)

const (
	msgPrefix   = 4 + 1         // flags, section kind
	replyPrefix = 4 + 8 + 4 + 4 // flags, cursor id, starting from, number returned

	// joined is up to which size a reply is copied behind its header, to be sent in one piece.
	joined = 32 << 10
)

// Reply is one document in answer to a message.
type Reply struct {
	To         int32 // number of the message that it answers
	Document   bsoncore.Document
	Legacy     bool       // an OP_REPLY, in answer to an OP_QUERY
	Compressor Compressor // Uncompressed for none
	MoreToCome bool       // another reply follows without another request; the one after answers this one
}

// Write sends a reply and returns its number and how many bytes it took. The document is not changed.
func (c *Codecs) Write(w io.Writer, r Reply) (id int32, n int, err error) {
	op, prefix := wiremessage.OpMsg, msgPrefix
	if r.Legacy {
		op, prefix = wiremessage.OpReply, replyPrefix
	}
	length := headerLength + prefix + len(r.Document)
	if length > MaxMessage {
		return 0, 0, fmt.Errorf("write message: reply of %d bytes is larger than a message may be", length)
	}
	id = wiremessage.NextRequestID()
	if r.Compressor != Uncompressed {
		n, err = c.writeCompressed(w, r, id, op, prefix+len(r.Document))
		return id, n, err
	}
	head := make([]byte, 0, headerLength+prefix)
	head = wiremessage.AppendHeader(head, int32(length), id, r.To, op)
	n, err = write(w, r.appendPrefix(head), r.Document)
	return id, n, err
}

// appendPrefix appends what stands between the header and the document.
func (r Reply) appendPrefix(dst []byte) []byte {
	if r.Legacy {
		dst = wiremessage.AppendReplyFlags(dst, wiremessage.AwaitCapable)
		dst = wiremessage.AppendReplyCursorID(dst, 0)
		dst = wiremessage.AppendReplyStartingFrom(dst, 0)
		return wiremessage.AppendReplyNumberReturned(dst, 1)
	}
	var flags wiremessage.MsgFlag
	if r.MoreToCome {
		flags = wiremessage.MoreToCome
	}
	dst = wiremessage.AppendMsgFlags(dst, flags)
	return wiremessage.AppendMsgSectionType(dst, wiremessage.SingleDocument)
}

func (c *Codecs) writeCompressed(w io.Writer, r Reply, id int32, op wiremessage.OpCode, size int) (int, error) {
	src := append(r.appendPrefix(make([]byte, 0, size)), r.Document...)
	dst := wiremessage.AppendHeader(nil, 0, id, r.To, wiremessage.OpCompressed)
	dst = wiremessage.AppendCompressedOriginalOpCode(dst, op)
	dst = wiremessage.AppendCompressedUncompressedSize(dst, int32(size))
	dst = wiremessage.AppendCompressedCompressorID(dst, wiremessage.CompressorID(r.Compressor))
	dst, err := c.compress(r.Compressor, dst, src)
	if err != nil {
		return 0, fmt.Errorf("compress message: %w", err)
	}
	return write(w, bsoncore.UpdateLength(dst, 0, int32(len(dst))), nil)
}

// write sends both parts in one system call, and in one record of TLS, if it can be done without copying much.
func write(w io.Writer, head, doc []byte) (int, error) {
	if len(doc) <= joined {
		head, doc = append(head, doc...), nil
	}
	written := 0
	for _, part := range [][]byte{head, doc} {
		if len(part) == 0 {
			continue
		}
		n, err := w.Write(part)
		written += n
		if err != nil {
			return written, fmt.Errorf("write message: %w", err)
		}
	}
	return written, nil
}
