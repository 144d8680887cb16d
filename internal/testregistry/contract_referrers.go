package testregistry

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/loadr-plugins/loadr/registry"
)

const noteType = "application/vnd.example.note.v1"

// Note is an attachment with one layer.
func Note(text string) registry.Attachment {
	return registry.Attachment{
		ArtifactType: noteType, Annotations: map[string]string{"org.example.about": text[:1]},
		Layers: []registry.AttachedLayer{{MediaType: "text/plain", Content: []byte(text)}},
	}
}

// subject publishes echo 1.0.0 and describes its index.
func (p Place) subject(t *testing.T) v1.Descriptor {
	t.Helper()
	pack := Pack(t, Spec{})
	push(t, p, pack, false)
	return v1.Descriptor{MediaType: v1.MediaTypeImageIndex, Digest: pack.Digest(), Size: pack.Release().Size}
}

func attached(t *testing.T, p Place) {
	ctx, repo, subject := t.Context(), p.repo("echo"), p.subject(t)
	other := Note("of another type")
	other.ArtifactType = "application/vnd.example.other.v1"
	var listed []v1.Descriptor
	for _, a := range []registry.Attachment{Note("short"), Note(strings.Repeat("long ", 10_000)), other, Note("short")} {
		d, err := p.Client.Attach(ctx, repo, subject, a)
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, d)
	}
	if listed[0].Digest != listed[3].Digest {
		t.Errorf("attached twice as %s and %s", listed[0].Digest, listed[3].Digest)
	}
	if all, err := p.Client.Referrers(ctx, repo, subject.Digest, ""); err != nil || len(all) != 3 {
		t.Errorf("referrers: %v, %v; expected 3", all, err)
	}
	notes, err := p.Client.Referrers(ctx, repo, subject.Digest, noteType)
	if err != nil || len(notes) != 2 {
		t.Fatalf("referrers of one type: %v, %v; expected 2", notes, err)
	}
	for _, d := range notes {
		m, err := p.Client.Referrer(ctx, repo, subject.Digest, d)
		if err != nil {
			t.Fatal(err)
		}
		content, err := p.Client.Layer(ctx, repo, m.Layers[0])
		if err != nil || digest.FromBytes(content) != m.Layers[0].Digest {
			t.Errorf("layer %s: %d bytes, %v", m.Layers[0].Digest, len(content), err)
		}
		if about := string(content[:1]); d.Annotations["org.example.about"] != about || m.Annotations["org.example.about"] != about {
			t.Errorf("annotations of %q: listed %v, in the manifest %v", content, d.Annotations, m.Annotations)
		}
	}
	if versions, err := p.Client.Versions(ctx, repo); err != nil || !slices.Equal(versions, []string{"1.0.0"}) {
		t.Errorf("versions after attaching: %q, %v", versions, err)
	}
	if r, err := p.Client.Release(ctx, repo, "1.0.0"); err != nil || r.Digest != subject.Digest {
		t.Errorf("the version after attaching: %+v, %v", r, err)
	}
}

// manyAttach is what every registry must survive. How many are listed in the end is promised only where the registry keeps
// the list; an attachment that is not listed can be attached again.
func manyAttach(t *testing.T, p Place) {
	const each = 6
	ctx, repo, subject := t.Context(), p.repo("echo"), p.subject(t)
	want := make([]v1.Descriptor, each)
	var wait sync.WaitGroup
	for i := range want {
		wait.Go(func() {
			d, err := p.Client.Attach(ctx, repo, subject, Note(fmt.Sprint(i, " of many")))
			if err != nil {
				t.Errorf("attachment %d: %v", i, err)
			}
			want[i] = d
		})
	}
	wait.Wait()
	for _, d := range want {
		if _, err := p.Client.Referrer(ctx, repo, subject.Digest, d); err != nil {
			t.Errorf("attached, and then: %v", err)
		}
	}
	listed, err := p.Client.Referrers(ctx, repo, subject.Digest, noteType)
	if err != nil || p.Immutable && len(listed) != each {
		t.Errorf("%d of %d attachments are listed, %v", len(listed), each, err)
	}
	t.Logf("%d of %d attachments are listed", len(listed), each)
}

func noReferrers(t *testing.T, p Place) {
	subject := p.subject(t)
	for what, d := range map[string]digest.Digest{"a version": subject.Digest, "what is not there": digest.FromString("absent")} {
		if listed, err := p.Client.Referrers(t.Context(), p.repo("echo"), d, ""); err != nil || len(listed) != 0 {
			t.Errorf("referrers of %s: %v, %v", what, listed, err)
		}
	}
	if listed, err := p.Client.Referrers(t.Context(), p.repo("absent"), subject.Digest, noteType); err != nil || len(listed) != 0 {
		t.Errorf("referrers in a repository that does not exist: %v, %v", listed, err)
	}
}
