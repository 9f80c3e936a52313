// Package wire reads and writes the messages of the MongoDB wire protocol.
//
// It knows frames, not commands. A frame is a 16-byte header and a body; OP_MSG carries everything, OP_QUERY only the
// first hello of a driver that does not know yet whom it talks to, OP_COMPRESSED either of them in fewer bytes. Documents
// stay bytes: what is checked here is that lengths add up exactly, because the engine reads a document that is cut off at the
// end of a sequence as the end of that sequence, and would drop it without a word.
//
// Nothing here trusts a length: a frame's length is bounded before anything is allocated, and memory grows with the
// bytes that have arrived, not with the bytes that were announced. The size that a compressed message announces is held to
// the same bound. Within it, zlib's memory grows with what comes out, snappy's is at most 22 times what came in; zstd
// alone gets what is announced at once, because a few bytes of it may rightly become any number.
//
// An error from this package means that the peer does not speak the protocol, or no longer in step; the caller must close
// the connection and must not read on.
package wire
