package registry

import (
	"context"
	"fmt"

	orasregistry "oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
)

// credentialStore opens docker's configuration when it is first needed: $DOCKER_CONFIG/config.json, else
// ~/.docker/config.json, with the helpers that it names.
func (c *Client) credentialStore() (credentials.Store, error) {
	c.storeOnce.Do(func() {
		if c.store = c.options.Credentials; c.store == nil {
			c.store, c.storeErr = credentials.NewStoreFromDocker(credentials.StoreOptions{AllowPlaintextPut: true, DetectDefaultNativeStore: true})
		}
	})
	if c.storeErr != nil {
		return nil, fmt.Errorf("docker's credential configuration: %w", c.storeErr)
	}
	return c.store, nil
}

func (c *Client) credential(ctx context.Context, host string) (auth.Credential, error) {
	store, err := c.credentialStore()
	if err != nil {
		return auth.EmptyCredential, err
	}
	return credentials.Credential(store)(ctx, host)
}

// Login checks the credentials with the registry and then keeps them where docker keeps its own: in the configured
// helper, or without one in docker's configuration file, which is not encrypted. The error for credentials that the
// registry refuses is an *AuthError; nothing is kept then.
func (c *Client) Login(ctx context.Context, host, user, secret string) error {
	host, err := parseHost(host)
	if err != nil {
		return err
	}
	if host == Local {
		return fmt.Errorf("registry %q: the directory registry needs no login", host)
	}
	store, err := c.credentialStore()
	if err != nil {
		return err
	}
	r := &remote.Registry{RepositoryOptions: remote.RepositoryOptions{
		Client: c.remote, PlainHTTP: c.plain(host), Reference: orasregistry.Reference{Registry: host},
	}}
	cred := auth.Credential{Username: user, Password: secret}
	if err := credentials.Login(ctx, credentials.NewMemoryStore(), r, cred); err != nil {
		return translate(Repository{Registry: host}, "", err)
	}
	return store.Put(ctx, credentials.ServerAddressFromRegistry(host), cred)
}

// Logout forgets the credentials for a registry. Having none is no error.
func (c *Client) Logout(ctx context.Context, host string) error {
	host, err := parseHost(host)
	if err != nil {
		return err
	}
	store, err := c.credentialStore()
	if err != nil {
		return err
	}
	return credentials.Logout(ctx, store, host)
}
