package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"

	"tine/internal/gateway/wire"
)

var all = []wire.Compressor{wire.Snappy, wire.Zlib, wire.Zstd}

// compressed is an OP_COMPRESSED that announces size bytes of an operation op.
func compressed(op wiremessage.OpCode, size int32, by wire.Compressor, data ...byte) []byte {
	body := binary.LittleEndian.AppendUint32(nil, uint32(op))
	body = binary.LittleEndian.AppendUint32(body, uint32(size))
	return frame(wiremessage.OpCompressed, append(append(body, byte(by)), data...)...)
}

// squeeze compresses as the official driver does.
func squeeze(tb testing.TB, by wire.Compressor, data []byte) []byte {
	tb.Helper()
	out, err := driver.CompressPayload(data, driver.CompressionOpts{
		Compressor: wiremessage.CompressorID(by), ZlibLevel: 6, ZstdLevel: 6, UncompressedSize: int32(len(data)),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func decompress(tb testing.TB, b []byte, limit int) (wire.Frame, error) {
	tb.Helper()
	f, err := wire.ReadFrame(bytes.NewReader(b), limit)
	if err != nil {
		tb.Fatal(err)
	}
	return codecs(tb).Decompress(f, limit, all)
}

func TestCompressedMessagesAreRead(t *testing.T) {
	t.Parallel()
	body := msg(append([]byte{0}, empty...)...)[16:]
	for _, by := range all {
		f, err := decompress(t, compressed(wiremessage.OpMsg, int32(len(body)), by, squeeze(t, by, body)...), 1000)
		if err != nil || f.OpCode != wiremessage.OpMsg || f.Compressor != by || f.RequestID != 9 {
			t.Fatalf("%s: %+v, %v", by, f, err)
		}
		if m, err := wire.ParseMsg(f); err != nil || !bytes.Equal(m.Document, empty) {
			t.Errorf("%s: message is %v, %v", by, m, err)
		}
	}
}

func TestBadCompressedMessagesAreRefused(t *testing.T) {
	t.Parallel()
	body := msg(append([]byte{0}, empty...)...)[16:]
	n := int32(len(body))
	for _, by := range all {
		good := squeeze(t, by, body)
		large := squeeze(t, by, make([]byte, 1000))
		for name, b := range map[string][]byte{
			"more comes out than was announced": compressed(wiremessage.OpMsg, n-1, by, good...),
			"less comes out than was announced": compressed(wiremessage.OpMsg, n+1, by, good...),
			"much more comes out":               compressed(wiremessage.OpMsg, n, by, large...),
			"announces more than the limit":     compressed(wiremessage.OpMsg, 1000, by, large...),
			"announces a negative size":         compressed(wiremessage.OpMsg, -1, by, good...),
			"compressed twice":                  compressed(wiremessage.OpCompressed, n, by, good...),
			"cut off":                           compressed(wiremessage.OpMsg, n, by, good[:len(good)-1]...),
			"empty":                             compressed(wiremessage.OpMsg, n, by),
			"no header":                         frame(wiremessage.OpCompressed, 1, 2, 3),
			"another compressor":                compressed(wiremessage.OpMsg, n, 9, good...),
			"noop":                              compressed(wiremessage.OpMsg, n, wire.Uncompressed, body...),
		} {
			if f, err := decompress(t, b, 1000); !errors.Is(err, wire.ErrMalformed) {
				t.Errorf("%s, %s: %v, %v", by, name, f, err)
			}
		}
	}
}

func TestWhatWasNotAgreedOnIsRefused(t *testing.T) {
	t.Parallel()
	body := msg(append([]byte{0}, empty...)...)[16:]
	f, err := wire.ReadFrame(bytes.NewReader(compressed(wiremessage.OpMsg, int32(len(body)), wire.Zstd, squeeze(t, wire.Zstd, body)...)), 1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := codecs(t).Decompress(f, 1000, []wire.Compressor{wire.Snappy}); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("error is %v", err)
	}
}

// A message that announces more than it can hold must not cost what it announces. Of zstd, some bytes may rightly become any number.
func TestBombsAreNotAllocated(t *testing.T) { //nolint:paralleltest // measures allocation
	const announced = wire.MaxMessage - 16
	c := codecs(t)
	for _, by := range []wire.Compressor{wire.Snappy, wire.Zlib} {
		data := squeeze(t, by, []byte("small"))
		if by == wire.Snappy { // it begins with the size
			data = append(binary.AppendUvarint(nil, announced), data[1:]...)
		}
		f, err := wire.ReadFrame(bytes.NewReader(compressed(wiremessage.OpMsg, announced, by, data...)), wire.MaxMessage)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Decompress(f, wire.MaxMessage, all) // makes what is kept
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 10 {
			if _, err := c.Decompress(f, wire.MaxMessage, all); err == nil {
				t.Fatalf("%s: a bomb is taken", by)
			}
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 2<<20 {
			t.Errorf("%s: %d bytes were allocated", by, used)
		}
	}
}

func FuzzCompressed(f *testing.F) {
	body := msg(append([]byte{0}, empty...)...)[16:]
	for _, by := range all {
		f.Add(compressed(wiremessage.OpMsg, int32(len(body)), by, squeeze(f, by, body)...))
		f.Add(compressed(wiremessage.OpMsg, 1<<19, by, squeeze(f, by, make([]byte, 1<<19))...))
		f.Add(compressed(wiremessage.OpCompressed, 47_000_000, by, 1, 2, 3))
	}
	c := codecs(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 20
		fr, err := wire.ReadFrame(bytes.NewReader(b), limit)
		if err != nil {
			return
		}
		inner, err := c.Decompress(fr, limit, all)
		if err != nil {
			if !errors.Is(err, wire.ErrMalformed) {
				t.Fatalf("error is %v", err)
			}
			return
		}
		if len(inner.Body)+16 > limit || inner.OpCode == wiremessage.OpCompressed {
			t.Fatalf("%d bytes of operation %d are let through", len(inner.Body), inner.OpCode)
		}
		if slices.Contains(all, inner.Compressor) && len(inner.Body) != int(binary.LittleEndian.Uint32(fr.Body[4:])) {
			t.Fatal("the size is not the announced one")
		}
		_, _ = wire.ParseMsg(inner)
	})
}
