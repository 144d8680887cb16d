package registry

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory that a hostile frame can ask for; ours ask for zstdWindow.
const maxWindow = 16 << 20

// Decompress copies a library blob of the given media type from wire to out, decompressed. It reads wire to its end,
// where a stream from Source.Fetch judges its digest. How much comes out is for out to limit: a few bytes of zstd can
// stand for any number of zeros.
func Decompress(out io.Writer, wire io.Reader, mediaType string) error {
	switch mediaType {
	case MediaTypeLibrary:
		_, err := io.Copy(out, wire)
		return err
	case MediaTypeLibraryZstd:
		return decompressZstd(out, wire)
	}
	return fmt.Errorf("library blob: media type %q, expected %q or %q", mediaType, MediaTypeLibraryZstd, MediaTypeLibrary)
}

func decompressZstd(out io.Writer, wire io.Reader) error {
	frames, err := zstd.NewReader(wire, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return err
	}
	defer frames.Close()
	if _, err := io.Copy(out, frames); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, wire) // what the decoder did not need
	return err
}
