package registry

import (
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// verifyingReader hands bytes on while it hashes them. It ends with io.EOF only when length and digest are those of the
// descriptor, and stops at the first byte too many. What it handed on before an error must not be used.
type verifyingReader struct {
	source   io.ReadCloser
	want     v1.Descriptor
	where    string // for messages
	digester digest.Digester
	left     int64
	err      error // once set, it stays
}

func verifying(source io.ReadCloser, want v1.Descriptor, where string) *verifyingReader {
	return &verifyingReader{source: source, want: want, where: where, digester: digest.SHA256.Digester(), left: want.Size}
}

func (r *verifyingReader) Close() error { return r.source.Close() }

func (r *verifyingReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	// One byte beyond the end may be asked for: it must not come.
	if int64(len(p)) > r.left+1 {
		p = p[:r.left+1]
	}
	n, err := r.source.Read(p)
	if int64(n) > r.left {
		r.err = r.broken(fmt.Sprint(r.want.Size, " bytes"), "more")
		return 0, r.err
	}
	r.left -= int64(n)
	r.digester.Hash().Write(p[:n]) // a hash never fails
	r.err = r.judge(err)
	return n, r.err
}

// judge turns the source's end into a verdict.
func (r *verifyingReader) judge(err error) error {
	if err != io.EOF {
		return err
	}
	if r.left > 0 {
		return r.broken(fmt.Sprint(r.want.Size, " bytes"), fmt.Sprint(r.want.Size-r.left, " bytes"))
	}
	if got := r.digester.Digest(); got != r.want.Digest {
		return r.broken(r.want.Digest.String(), got.String())
	}
	return io.EOF
}

func (r *verifyingReader) broken(want, got string) error {
	return &IntegrityError{Object: r.where + ": " + r.want.Digest.String(), Want: want, Got: got}
}
