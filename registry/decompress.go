package registry

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory that a hostile frame can ask for; ours ask for zstdWindow.
const maxWindow = 16 << 20

// Decompress copies a library blob of the given media type from wire to out, decompressed. It reads wire to its end,
// where a stream from Source.Fetch judges its digest. How much comes out is for out to limit: a few bytes of zstd can
// stand for any number of zeros.
//
// Errors: those of out and of wire as they are; an *InvalidArtifactError for bytes that are what their digest promised,
// and not zstd.
func Decompress(out io.Writer, wire io.Reader, mediaType string) error {
	switch mediaType {
	case MediaTypeLibrary:
		_, err := io.Copy(out, wire)
		return err
	case MediaTypeLibraryZstd:
		return decompressZstd(out, wire)
	}
	return &InvalidArtifactError{"library blob", fmt.Sprintf("media type %q, expected %q or %q", mediaType, MediaTypeLibraryZstd, MediaTypeLibrary)}
}

func decompressZstd(out io.Writer, wire io.Reader) error {
	frames, err := newDecoder(wire)
	if err != nil {
		return err
	}
	defer func() {
		_ = frames.Reset(nil) // lets go of wire; it never fails
		decoders.Put(frames)
	}()
	sink := &sink{to: out}
	_, err = io.Copy(sink, frames)
	if sink.err != nil {
		return sink.err
	}
	// What the decoder did not need, and the verdict on all of it: bytes that were altered on the way usually fail in the
	// decoder first, which cannot know why.
	if _, wireErr := io.Copy(io.Discard, wire); wireErr != nil {
		return wireErr
	}
	if err != nil {
		return &InvalidArtifactError{"library blob", fmt.Sprintf("expected zstd: %v", err)}
	}
	return nil
}

// decoders that are not in use. Each has a window of megabytes, which is worth keeping from one plugin to the next.
var decoders sync.Pool

func newDecoder(wire io.Reader) (*zstd.Decoder, error) {
	if d, ok := decoders.Get().(*zstd.Decoder); ok {
		return d, d.Reset(wire)
	}
	// With a concurrency of 1 a decoder has no goroutines, so that the collector may take it.
	return zstd.NewReader(wire, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
}

// sink keeps the error of the writer apart from those of reading.
type sink struct {
	to  io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.to.Write(p)
	s.err = err
	return n, err
}
