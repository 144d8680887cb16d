package binfile

import "testing"

func TestSpan(t *testing.T) {
	tests := map[string]struct {
		segments []segment
		from, to uint64
	}{
		"no segment": {nil, 0, 0},
		"one":        {[]segment{{address: 0x1000, size: 0x234}}, 0x1000, 0x1234},
		"any order":  {[]segment{{address: 0x3000, size: 1}, {address: 0x1000, size: 0x10}, {address: 0x2000, size: 0x1}}, 0x1000, 0x3001},
	}
	for name, tt := range tests {
		f := &File{memory: memory{segments: tt.segments}}
		if from, to := f.Span(); from != tt.from || to != tt.to {
			t.Errorf("%s: expected %#x to %#x, found %#x to %#x", name, tt.from, tt.to, from, to)
		}
	}
}
