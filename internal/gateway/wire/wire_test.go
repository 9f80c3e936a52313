package wire_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"

	"tine/internal/gateway/wire"
)

var empty = []byte{5, 0, 0, 0, 0}

func frame(op wiremessage.OpCode, body ...byte) []byte {
	return append(wiremessage.AppendHeader(nil, int32(16+len(body)), 9, 0, op), body...)
}

func msg(sections ...byte) []byte {
	return frame(wiremessage.OpMsg, append(make([]byte, 4), sections...)...)
}

func parse(b []byte) (wire.Msg, error) {
	f, err := wire.ReadFrame(bytes.NewReader(b), wire.MaxMessage)
	if err != nil {
		return wire.Msg{}, err
	}
	return wire.ParseMsg(f)
}

func TestSequencesAreCountedAndMeasured(t *testing.T) {
	t.Parallel()
	two := append(append([]byte{1, 4 + 2 + 5 + 8, 0, 0, 0, 'd', 0}, empty...), 8, 0, 0, 0, 10, 'a', 0, 0)
	m, err := parse(msg(append(two, append([]byte{0}, empty...)...)...))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Sequences) != 1 || m.Sequences[0].Identifier != "d" || m.Sequences[0].Count != 2 || m.Sequences[0].Largest != 8 {
		t.Errorf("sequences are %+v", m.Sequences)
	}
}

func TestChecksumIsVerified(t *testing.T) {
	t.Parallel()
	if _, err := parse(frame(wiremessage.OpMsg, 1, 0, 0, 0, 0, 5, 0, 0, 0, 0, 1, 2, 3, 4)); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("a wrong checksum is taken: %v", err)
	}
	if _, err := parse(frame(wiremessage.OpMsg, 1, 0, 0, 0, 1)); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("a checksum cut off is taken: %v", err)
	}
}

func TestFrameBoundsAreChecked(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"below the header": wiremessage.AppendHeader(nil, 15, 1, 0, wiremessage.OpMsg),
		"negative":         wiremessage.AppendHeader(nil, -1, 1, 0, wiremessage.OpMsg),
		"above the limit":  wiremessage.AppendHeader(nil, 1001, 1, 0, wiremessage.OpMsg),
	} {
		if _, err := wire.ReadFrame(bytes.NewReader(b), 1000); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	if _, err := wire.ReadFrame(bytes.NewReader(nil), 1000); !errors.Is(err, io.EOF) {
		t.Errorf("end between messages: error is %v", err)
	}
	whole := msg(append([]byte{0}, empty...)...)
	if _, err := wire.ReadFrame(bytes.NewReader(whole[:20]), 1000); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("end in a message: error is %v", err)
	}
	if _, err := wire.ReadFrame(iotest.OneByteReader(bytes.NewReader(whole)), 1000); err != nil {
		t.Errorf("byte by byte: %v", err)
	}
}

func TestAnnouncedBytesAreNotAllocated(t *testing.T) { //nolint:paralleltest // measures allocation
	head := wiremessage.AppendHeader(nil, wire.MaxMessage, 1, 0, wiremessage.OpMsg)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 10 {
		if _, err := wire.ReadFrame(bytes.NewReader(append(head, 1, 2, 3)), wire.MaxMessage); err == nil {
			t.Fatal("a message cut off is taken")
		}
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 10<<20 {
		t.Errorf("%d bytes were allocated for 190 that came", used)
	}
}

func codecs(tb testing.TB) *wire.Codecs {
	tb.Helper()
	c, err := wire.NewCodecs(1)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestRepliesReadBack(t *testing.T) {
	t.Parallel()
	c := codecs(t)
	for _, by := range append(all, wire.Uncompressed) {
		var buf bytes.Buffer
		id, n, err := c.Write(&buf, wire.Reply{To: 5, Document: empty, Compressor: by, MoreToCome: true})
		if err != nil {
			t.Fatal(err)
		}
		length, number, to, _, _, _ := wiremessage.ReadHeader(buf.Bytes())
		if int(length) != n || n != buf.Len() || number != id || to != 5 {
			t.Errorf("%s: header is %v of %d bytes", by, buf.Bytes()[:16], n)
		}
		f, err := wire.ReadFrame(&buf, wire.MaxMessage)
		if err != nil {
			t.Fatal(err)
		}
		if f, err = c.Decompress(f, wire.MaxMessage, all); err != nil || f.Compressor != by {
			t.Fatalf("%s: decompressed %v, %v", by, f, err)
		}
		m, err := wire.ParseMsg(f)
		if err != nil || !bytes.Equal(m.Document, empty) || !m.MoreToCome() {
			t.Errorf("%s: read back %v, %v", by, m, err)
		}
	}
}

func TestLegacyRepliesReadBack(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	if _, _, err := codecs(t).Write(&buf, wire.Reply{To: 5, Document: empty, Legacy: true}); err != nil {
		t.Fatal(err)
	}
	length, _, to, op, rest, _ := wiremessage.ReadHeader(buf.Bytes())
	if int(length) != buf.Len() || to != 5 || op != wiremessage.OpReply || !bytes.HasSuffix(rest, empty) {
		t.Errorf("OP_REPLY is %v", buf.Bytes())
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(msg(append([]byte{0}, empty...)...))
	f.Add(msg(append([]byte{1, 11, 0, 0, 0, 'd', 0}, append(empty, append([]byte{0}, empty...)...)...)...))
	f.Add(msg(1, 12, 0, 0, 0, 'x', 0, 9, 0, 0, 0, 0, 0))
	f.Add(frame(wiremessage.OpMsg, 1, 0, 0, 0, 0, 5, 0, 0, 0, 0, 1, 2, 3, 4))
	f.Add(frame(wiremessage.OpQuery, append([]byte("\x00\x00\x00\x00admin.$cmd\x00\x00\x00\x00\x00\xff\xff\xff\xff"), empty...)...))
	f.Add(wiremessage.AppendHeader(nil, -1, 1, 0, wiremessage.OpMsg))
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, err := wire.ReadFrame(bytes.NewReader(b), wire.MaxMessage)
		if err != nil {
			return
		}
		if q, err := wire.ParseQuery(fr); err == nil {
			checkLength(t, q.Document)
		}
		m, err := wire.ParseMsg(fr)
		if err != nil {
			return
		}
		checkLength(t, m.Document)
		for _, s := range m.Sequences {
			n := 0
			for rest := s.Data; len(rest) > 0; n++ {
				length, _, ok := bsoncore.ReadLength(rest)
				if !ok || int(length) > len(rest) || length < 5 {
					t.Fatalf("sequence %q is let through with a document cut off", s.Identifier)
				}
				rest = rest[length:]
			}
			if n != s.Count {
				t.Fatalf("%d documents are counted as %d", n, s.Count)
			}
		}
	})
}

func checkLength(tb testing.TB, doc bsoncore.Document) {
	tb.Helper()
	if n, _, ok := bsoncore.ReadLength(doc); !ok || int(n) != len(doc) {
		tb.Fatalf("document of %d bytes says %d", len(doc), n)
	}
}
