package wire

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"
)

const (
	minDocument    = 5
	checksumLength = 4

	// requiredFlags are the flag bits that a peer must understand to process the message at all.
	requiredFlags = wiremessage.MsgFlag(0xFFFF)
	knownFlags    = wiremessage.ChecksumPresent | wiremessage.MoreToCome
)

// Msg is a decoded OP_MSG. Its slices point into the frame's body.
type Msg struct {
	Flags     wiremessage.MsgFlag
	Document  bsoncore.Document // the body section: its length is exact, its elements are not checked
	Sequences []Sequence
}

// MoreToCome reports whether the sender wants no answer.
func (m Msg) MoreToCome() bool { return m.Flags&wiremessage.MoreToCome != 0 }

// ExhaustAllowed reports whether the sender takes more than one answer.
func (m Msg) ExhaustAllowed() bool { return m.Flags&wiremessage.ExhaustAllowed != 0 }

// Sequence is a kind 1 section: documents one after the other, whose lengths add up exactly.
type Sequence struct {
	Identifier string
	Data       []byte
	Count      int
	Largest    int // bytes of the largest document
}

// ParseMsg decodes an OP_MSG. Every error wraps ErrMalformed.
func ParseMsg(f Frame) (Msg, error) {
	var m Msg
	flags, rest, ok := wiremessage.ReadMsgFlags(f.Body)
	if !ok {
		return Msg{}, fmt.Errorf("%w: no flags", ErrMalformed)
	}
	if unknown := flags & requiredFlags &^ knownFlags; unknown != 0 {
		return Msg{}, fmt.Errorf("%w: unknown required flags %#x", ErrMalformed, uint32(unknown))
	}
	m.Flags = flags
	if flags&wiremessage.ChecksumPresent != 0 {
		var err error
		if rest, err = checkSum(f, rest); err != nil {
			return Msg{}, err
		}
	}
	if err := m.readSections(rest); err != nil {
		return Msg{}, err
	}
	return m, nil
}

// checkSum verifies the CRC-32C at the end of the message and cuts it off.
func checkSum(f Frame, rest []byte) ([]byte, error) {
	if len(rest) < checksumLength {
		return nil, fmt.Errorf("%w: no room for the checksum", ErrMalformed)
	}
	covered := f.Body[:len(f.Body)-checksumLength]
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(crc32.Checksum(f.header[:], table), table, covered)
	if sum != binary.LittleEndian.Uint32(f.Body[len(covered):]) {
		return nil, fmt.Errorf("%w: checksum does not match", ErrMalformed)
	}
	return rest[:len(rest)-checksumLength], nil
}

func (m *Msg) readSections(rest []byte) error {
	for len(rest) > 0 {
		kind, after, _ := wiremessage.ReadMsgSectionType(rest)
		var err error
		switch kind {
		case wiremessage.SingleDocument:
			rest, err = m.readDocument(after)
		case wiremessage.DocumentSequence:
			rest, err = m.readSequence(after)
		default:
			err = fmt.Errorf("%w: unknown section kind %d", ErrMalformed, kind)
		}
		if err != nil {
			return err
		}
	}
	if m.Document == nil {
		return fmt.Errorf("%w: no body section", ErrMalformed)
	}
	return nil
}

func (m *Msg) readDocument(src []byte) ([]byte, error) {
	if m.Document != nil {
		return nil, fmt.Errorf("%w: two body sections", ErrMalformed)
	}
	n, err := documentLength(src)
	if err != nil {
		return nil, err
	}
	m.Document = bsoncore.Document(src[:n:n])
	return src[n:], nil
}

func (m *Msg) readSequence(src []byte) ([]byte, error) {
	id, data, rest, ok := wiremessage.ReadMsgSectionRawDocumentSequence(src)
	if !ok {
		return nil, fmt.Errorf("%w: bad document sequence", ErrMalformed)
	}
	for _, s := range m.Sequences {
		if s.Identifier == id {
			return nil, fmt.Errorf("%w: two document sequences of one name", ErrMalformed)
		}
	}
	seq := Sequence{Identifier: id, Data: data}
	for len(data) > 0 {
		n, err := documentLength(data)
		if err != nil {
			return nil, err
		}
		seq.Count++
		seq.Largest = max(seq.Largest, n)
		data = data[n:]
	}
	m.Sequences = append(m.Sequences, seq)
	return rest, nil
}

// documentLength returns the length of the document that src starts with, which must be there in full.
func documentLength(src []byte) (int, error) {
	if len(src) < minDocument {
		return 0, fmt.Errorf("%w: document cut off", ErrMalformed)
	}
	n := int(int32(binary.LittleEndian.Uint32(src)))
	if n < minDocument || n > len(src) || src[n-1] != 0 {
		return 0, fmt.Errorf("%w: document of length %d with %d bytes left", ErrMalformed, n, len(src))
	}
	return n, nil
}
