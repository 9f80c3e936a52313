package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"
)

// Compressor is how a message is compressed, by its number in the protocol.
type Compressor uint8

// The compressors there are. The protocol's number 0, "noop", is none of them: nobody needs it.
const (
	Uncompressed Compressor = 0
	Snappy       Compressor = 1
	Zlib         Compressor = 2
	Zstd         Compressor = 3
)

// ParseCompressor returns the compressor of that name, Uncompressed if there is none.
func ParseCompressor(name string) Compressor {
	for _, c := range []Compressor{Snappy, Zlib, Zstd} {
		if c.String() == name {
			return c
		}
	}
	return Uncompressed
}

// String is the compressor's name in hello.
func (c Compressor) String() string {
	switch c {
	case Snappy:
		return "snappy"
	case Zlib:
		return "zlib"
	case Zstd:
		return "zstd"
	default:
		return "none"
	}
}

const (
	compressedPrefix = 4 + 4 + 1 // original operation, its size, compressor
	// snappyRatio is more than snappy can shrink anything: a copy of 64 bytes takes 3.
	snappyRatio = 22
	// zstdWindow is how far back compressed replies may refer; what it takes for each encoder is some times that.
	zstdWindow = 256 << 10
)

// Codecs compress and decompress. What they need for it is large, and shared by all connections.
type Codecs struct {
	zstdIn      *zstd.Decoder
	zstdOut     *zstd.Encoder
	zlibReaders sync.Pool
	zlibWriters sync.Pool
}

// NewCodecs returns codecs that at most atOnce goroutines compress with at a time; others wait.
func NewCodecs(atOnce int) (*Codecs, error) {
	in, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(atOnce), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(MaxMessage), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("make zstd decoder: %w", err)
	}
	out, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(atOnce), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(zstdWindow))
	if err != nil {
		return nil, fmt.Errorf("make zstd encoder: %w", err)
	}
	return &Codecs{zstdIn: in, zstdOut: out}, nil
}

// Decompress returns the message inside an OP_COMPRESSED, and any other as it is. The message must have been compressed in a way that
// is agreed on, and must not be larger than limit, header included: that is checked before anything is allocated for it. Every
// error wraps ErrMalformed.
func (c *Codecs) Decompress(f Frame, limit int, agreed []Compressor) (Frame, error) {
	if f.OpCode != wiremessage.OpCompressed {
		return f, nil
	}
	if len(f.Body) < compressedPrefix {
		return Frame{}, fmt.Errorf("%w: OP_COMPRESSED cut off", ErrMalformed)
	}
	op := wiremessage.OpCode(int32(binary.LittleEndian.Uint32(f.Body)))
	size := int64(int32(binary.LittleEndian.Uint32(f.Body[4:])))
	by := Compressor(f.Body[8])
	switch {
	case op == wiremessage.OpCompressed:
		return Frame{}, fmt.Errorf("%w: OP_COMPRESSED in OP_COMPRESSED", ErrMalformed)
	case size < 0 || size+headerLength > int64(limit):
		return Frame{}, fmt.Errorf("%w: uncompressed size %d is not within 0 and %d", ErrMalformed, size, limit-headerLength)
	case !slices.Contains(agreed, by):
		return Frame{}, fmt.Errorf("%w: compressor %d was not agreed on", ErrMalformed, by)
	}
	body, err := c.decompress(by, f.Body[compressedPrefix:], int(size))
	if err != nil {
		return Frame{}, fmt.Errorf("%w: decompress %s: %w", ErrMalformed, by, err)
	}
	inner := Frame{RequestID: f.RequestID, OpCode: op, Body: body, Compressor: by, header: f.header, size: f.size}
	binary.LittleEndian.PutUint32(inner.header[0:], uint32(headerLength+len(body)))
	binary.LittleEndian.PutUint32(inner.header[12:], uint32(op))
	return inner, nil
}

// errSize says that a message announced another size than it has.
var errSize = errors.New("the size is not the announced one")

func (c *Codecs) decompress(by Compressor, data []byte, size int) ([]byte, error) {
	switch by {
	case Snappy:
		if n, err := snappy.DecodedLen(data); err != nil || n != size || n > snappyRatio*len(data) {
			return nil, errors.Join(errSize, err)
		}
		return snappy.Decode(make([]byte, size), data)
	case Zlib:
		return c.inflate(data, size)
	case Zstd:
		body, err := c.zstdIn.DecodeAll(data, make([]byte, 0, size))
		if err == nil && len(body) != size {
			err = errSize
		}
		return body, err
	default:
		return nil, errors.New("there is no such compressor")
	}
}

// inflate decompresses zlib. Its memory grows with what comes out.
func (c *Codecs) inflate(data []byte, size int) ([]byte, error) {
	z, ok := c.zlibReaders.Get().(io.ReadCloser)
	var err error
	if !ok {
		z, err = zlib.NewReader(bytes.NewReader(data))
	} else {
		err = z.(zlib.Resetter).Reset(bytes.NewReader(data), nil) //nolint:errcheck // documented of NewReader's result
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if z.Close() == nil {
			c.zlibReaders.Put(z)
		}
	}()
	body, err := readBody(z, size)
	if err != nil {
		return nil, err
	}
	if n, err := z.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) { // the end has the checksum
		return nil, errors.Join(errSize, err)
	}
	return body, nil
}

// compress appends src, compressed, to dst.
func (c *Codecs) compress(by Compressor, dst, src []byte) ([]byte, error) {
	switch by {
	case Snappy:
		start, most := len(dst), snappy.MaxEncodedLen(len(src))
		if most < 0 {
			return nil, errors.New("too much for snappy")
		}
		dst = slices.Grow(dst, most)
		return dst[:start+len(snappy.Encode(dst[start:start+most], src))], nil
	case Zlib:
		return c.deflate(dst, src)
	case Zstd:
		return c.zstdOut.EncodeAll(src, dst), nil
	default:
		return nil, errors.New("there is no such compressor")
	}
}

func (c *Codecs) deflate(dst, src []byte) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	z, ok := c.zlibWriters.Get().(*zlib.Writer)
	if !ok {
		var err error
		if z, err = zlib.NewWriterLevel(buf, zlib.BestSpeed); err != nil {
			return nil, fmt.Errorf("make zlib writer: %w", err)
		}
	} else {
		z.Reset(buf)
	}
	defer c.zlibWriters.Put(z)
	if _, err := z.Write(src); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
