package wire

import (
	"errors"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"
)

const (
	headerLength = 16

	// MaxMessage is the size in bytes of the largest message that clients may send, as announced in hello.
	MaxMessage = 48_000_000

	// MaxDocument is the size in bytes of the largest document that users may store, as announced in hello.
	MaxDocument = 16 << 20

	// firstRead is how much memory a frame gets before any of its body has arrived.
	firstRead = 16 << 10
)

// ErrMalformed is wrapped by every error that says that the bytes are not a message of the protocol.
var ErrMalformed = errors.New("malformed message")

// Frame is one message as it came, without its header.
type Frame struct {
	RequestID int32
	OpCode    wiremessage.OpCode
	Body      []byte // what follows the header
	// Compressor is how the message came. OpCode and Body are those of the message inside once it is decompressed.
	Compressor Compressor

	header [headerLength]byte
	size   int
}

// Size is how many bytes came.
func (f Frame) Size() int { return f.size }

// IsQuery reports whether the message is an OP_QUERY.
func (f Frame) IsQuery() bool { return f.OpCode == wiremessage.OpQuery }

// ReadFrame reads one message of at most limit bytes, header included. It returns io.EOF if the peer closed between
// messages, and wraps ErrMalformed if what came is no message.
func ReadFrame(r io.Reader, limit int) (Frame, error) {
	var f Frame
	if _, err := io.ReadFull(r, f.header[:]); err != nil {
		return Frame{}, err
	}
	length, requestID, _, opCode, _, _ := wiremessage.ReadHeader(f.header[:])
	if length < headerLength || int64(length) > int64(limit) {
		return Frame{}, fmt.Errorf("%w: length %d is not within %d and %d", ErrMalformed, length, headerLength, limit)
	}
	f.RequestID, f.OpCode, f.size = requestID, opCode, int(length)
	body, err := readBody(r, int(length)-headerLength)
	if err != nil {
		return Frame{}, fmt.Errorf("read message body: %w", err)
	}
	f.Body = body
	return f, nil
}

// readBody reads exactly n bytes. Its buffer at most doubles what has arrived, so that a peer cannot make us allocate
// 48 MB by announcing them.
func readBody(r io.Reader, n int) ([]byte, error) {
	body := make([]byte, min(n, firstRead))
	for have := 0; ; {
		if _, err := io.ReadFull(r, body[have:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if have = len(body); have == n {
			return body, nil
		}
		grown := make([]byte, min(n, 2*have))
		copy(grown, body)
		body = grown
	}
}
