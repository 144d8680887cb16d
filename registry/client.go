package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	orasregistry "oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/loadr-plugins/loadr/registry/directory"
)

// Source is where plugins are looked up and fetched. Methods are safe for concurrent use.
//
// Errors: *NotFoundError only when the source itself said that it does not have what was asked for; *AuthError,
// *UnavailableError, *IntegrityError, *InvalidArtifactError, and ctx's own error.
type Source interface {
	// Versions lists the tags of a plugin, in no order. Tags that are not versions are among them, but not those under which
	// clients keep lists of referrers.
	Versions(ctx context.Context, repo Repository) ([]string, error)
	// Release reads the image index that a tag or digest names: one request. Its digest is verified, and that it is a
	// release of the plugin that repo names.
	Release(ctx context.Context, repo Repository, tagOrDigest string) (*Release, error)
	// Complete fills in the targets' fields, with one request for each platform manifest and config that the index does
	// not embed, in parallel.
	Complete(ctx context.Context, repo Repository, r *Release) error
	// Status reads what was said about a release, by its index's digest, after it was published: whether it was withdrawn.
	Status(ctx context.Context, repo Repository, version digest.Digest) (*Status, error)
	// Fetch streams one blob. Length and digest are verified while it is read; a wrong one is an *IntegrityError in place
	// of io.EOF, and a longer one stops at the length. Where that error names a mirror, calling Fetch again asks elsewhere.
	Fetch(ctx context.Context, repo Repository, desc v1.Descriptor) (io.ReadCloser, error)
}

var _ Source = (*Client)(nil)

// Options configure a Client. The zero value reads remote registries only.
type Options struct {
	Dir       string            // root of the directory registry; empty: there is none
	PlainHTTP []string          // hosts, with port, that are spoken to without TLS, besides loopback
	Transport http.RoundTripper // for remote registries; nil: the default, with proxies from the environment
	UserAgent string            // empty: "loadr"
	// Local, where not nil, answers the requests about the directory registry in place of Dir, which is then only read.
	Local http.RoundTripper
	// Credentials is where logins are kept; nil: docker's configuration and its helpers.
	Credentials credentials.Store
	// NoWait fails with a *BusyError when another process is writing the directory registry.
	NoWait bool
	// Waiting is called when a push has to wait for another process; may be nil.
	Waiting func(holder string)
	// Writer opens the way to write the directory registry, alone; its error is a *BusyError when another process does.
	// Package program has one that starts a process, package server one inside this process. Nil: the directory registry
	// can be written only while a server serves it.
	Writer func(ctx context.Context, root, note string) (Writer, error)
	// Note is what other processes are told about this one while it writes the directory registry.
	Note string
	// Idle is how long a registry may be silent before that is an *UnavailableError; 0: one minute.
	Idle time.Duration
	// Mirrors are asked before the registry that they are listed under, in their order.
	Mirrors map[string][]Mirror
	// Events tell what goes on.
	Events Events
}

// Client reads and writes registries, the directory registry among them. It is safe for concurrent use.
type Client struct {
	options Options
	retries *retrying
	remote  *auth.Client
	mirrors *auth.Client // asks once
	// left knows the mirrors that are not asked any more, and why.
	left sync.Map
	// oneByOne knows the hosts that want a token for each repository.
	oneByOne sync.Map

	storeOnce sync.Once
	store     credentials.Store
	storeErr  error

	localOnce sync.Once
	reader    *inProcess
}

// New makes a client. It does no I/O: credentials are read when a registry asks for them.
func New(o Options) *Client {
	if o.UserAgent == "" {
		o.UserAgent = "loadr"
	}
	if o.Idle == 0 {
		o.Idle = time.Minute
	}
	if o.Transport == nil {
		o.Transport = defaultTransport()
	}
	c := &Client{options: o}
	c.retries = &retrying{guarded(o, o.Idle, c.plain), o.Events, 1}
	c.remote = c.authenticated(c.retries)
	c.mirrors = c.authenticated(guarded(o, min(o.Idle, mirrorIdle), c.plain))
	return c
}

func (c *Client) authenticated(next http.RoundTripper) *auth.Client {
	a := &auth.Client{Client: &http.Client{Transport: next}, Cache: newTokenCache(), Credential: c.credential}
	a.SetUserAgent(c.options.UserAgent)
	return a
}

// Close ends idle connections and the serving of the directory registry.
func (c *Client) Close() error {
	if t, ok := c.options.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	c.localOnce.Do(func() {})
	if c.reader == nil {
		return nil
	}
	return c.reader.close()
}

// plain says whether a host is spoken to without TLS.
func (c *Client) plain(host string) bool {
	return isLoopbackHost(host) || slices.Contains(c.options.PlainHTTP, host)
}

// repository gives oras-go's view of a remote repository.
func (c *Client) repository(repo Repository) *remote.Repository {
	return newRepository(repo, c.remote, c.plain(repo.Registry))
}

func newRepository(repo Repository, client remote.Client, plain bool) *remote.Repository {
	return &remote.Repository{
		Client:             client,
		Reference:          orasregistry.Reference{Registry: repo.Registry, Repository: repo.path()},
		PlainHTTP:          plain,
		ManifestMediaTypes: []string{v1.MediaTypeImageIndex, v1.MediaTypeImageManifest},
		TagListPageSize:    tagPageSize,
		TagListMaxPages:    maxTagPages,
		MaxMetadataBytes:   MaxManifest,

		ReferrerListMaxPages: maxReferrers,
	}
}

// open gives the repository for reading, remote or in the directory registry.
func (c *Client) open(repo Repository) (*remote.Repository, error) {
	if repo.Registry != Local {
		return c.repository(repo), nil
	}
	reader, err := c.localReader()
	if err != nil {
		return nil, err
	}
	return newRepository(repo, reader.client, true), nil
}

// WithRepositories prepares ctx for work on several repositories: a registry that hands out tokens is then asked for one
// that covers all of its repositories, instead of for one token each.
func WithRepositories(ctx context.Context, repos []Repository) context.Context {
	for _, r := range repos {
		if r.Registry == Local {
			continue
		}
		ctx = auth.AppendRepositoryScope(ctx, orasregistry.Reference{Registry: r.Registry, Repository: r.path()}, auth.ActionPull)
	}
	return ctx
}

// inProcess is an HTTP client that ends at a handler in this process, or at a server of this user's.
type inProcess struct {
	client *http.Client
	local  *directory.Local // nil when the other end is another process
}

func serveInProcess(handler http.Handler) *inProcess {
	local := directory.NewLocal(handler)
	p := through(local.DialContext)
	p.local = local
	return p
}

// through makes a client of connections within this machine. Nothing answers slowly there, and nothing is worth a retry.
func through(dial dialFunc) *inProcess {
	return &inProcess{client: &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 64, DisableCompression: true}}}
}

func (p *inProcess) close() error {
	p.client.CloseIdleConnections()
	if p.local == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return p.local.Close(ctx)
}

func (c *Client) localReader() (*inProcess, error) {
	if c.options.Dir == "" && c.options.Local == nil {
		return nil, errNoDir
	}
	c.localOnce.Do(func() {
		if c.options.Local != nil {
			c.reader = &inProcess{client: &http.Client{Transport: c.options.Local}}
			return
		}
		c.reader = serveInProcess(directory.NewReader(c.options.Dir))
	})
	if c.reader == nil {
		return nil, errors.New("the registry client is closed")
	}
	return c.reader, nil
}

var errNoDir = errors.New(`no directory registry is configured, so there is no namespace under "local"`)

var errNoWriter = errors.New("this program cannot write the directory registry")
