package registry

import (
	"context"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Level and window are part of what makes the same library the same blob everywhere. The window is also the memory
// that every reader needs, so it is smaller than what would compress best.
const (
	zstdLevel  = zstd.SpeedBetterCompression
	zstdWindow = 4 << 20 // bytes
)

// Compress writes a library as one zstd frame, the way that WritePack stores it: the same bytes for the same library, as
// long as the compressor is of the same version. One goroutine only: with several, blocks would depend on timing.
func Compress(out io.Writer, in io.Reader) error {
	enc, err := zstd.NewWriter(out, zstd.WithEncoderLevel(zstdLevel), zstd.WithWindowSize(zstdWindow),
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true))
	if err != nil {
		return err
	}
	if _, err := enc.ReadFrom(in); err != nil {
		enc.Close()
		return err
	}
	return enc.Close()
}

// countingWriter counts what passes.
type countingWriter struct{ n int64 }

func (w *countingWriter) Write(p []byte) (int, error) {
	w.n += int64(len(p))
	return len(p), nil
}

// contextReader stops when ctx ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
