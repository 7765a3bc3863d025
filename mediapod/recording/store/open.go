// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcp"
)

// GoogleKey is the key of a Secret that holds the JSON file of a Google service account.
const GoogleKey = "key.json"

// credentialKeys are what is taken of a Secret, by the scheme of the URL. They are the names under which the drivers look in
// the environment; nothing else of a Secret gets there.
var credentialKeys = map[string][]string{
	azureblob.Scheme: {"AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"},
	s3blob.Scheme:    {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"},
}

// Location says where a bucket is and how to get in.
type Location struct {
	// URL is file:///directory, azblob://container, s3://bucket or gs://bucket, with the options of the gocloud.dev drivers.
	URL string
	// Credentials is a directory with a file for each key; "" has the driver look where it looks by default: the environment,
	// the workload identity of the pod, the machine's account.
	Credentials string
	// Root is put before the directory of a file:// URL.
	Root string
}

// Open opens a bucket. The object stores are not asked before something is put there.
func Open(ctx context.Context, at Location) (Bucket, error) {
	u, err := url.Parse(at.URL)
	if err != nil {
		return nil, errors.New("the url of the storage is none") // it is not repeated: nobody knows what is in it
	}
	if u.Scheme == "file" {
		// Not the driver for files: it does not wait until a file is on the disk, and the only copy is deleted afterwards.
		return Directory{filepath.Join(at.Root, filepath.FromSlash(u.Path))}, nil
	}
	if at.Credentials != "" {
		if err := bringIn(at.Credentials, u.Scheme); err != nil {
			return nil, err
		}
	}
	b, err := dial(ctx, u, at.Credentials)
	if err != nil {
		return nil, fmt.Errorf("opening the bucket %s://%s: %w", u.Scheme, u.Host, explained(nil, err))
	}
	return Blob{b}, nil
}

// dial uses the drivers' openers anew each time: those of the package keep the first credentials they found for ever.
func dial(ctx context.Context, u *url.URL, credentials string) (*blob.Bucket, error) {
	switch u.Scheme {
	case azureblob.Scheme:
		o := azureblob.URLOpener{MakeClient: azureblob.NewDefaultClient, ServiceURLOptions: *azureblob.NewDefaultServiceURLOptions()}
		return o.OpenBucketURL(ctx, u)
	case s3blob.Scheme:
		return (&s3blob.URLOpener{}).OpenBucketURL(ctx, u)
	case gcsblob.Scheme:
		// The library takes the file from a path that is in the environment.
		if credentials != "" {
			if err := os.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(credentials, GoogleKey)); err != nil {
				return nil, err
			}
		}
		found, err := gcp.DefaultCredentials(ctx)
		if err != nil {
			return nil, err
		}
		client, err := gcp.NewHTTPClient(gcp.DefaultTransport(), gcp.CredentialsTokenSource(found))
		if err != nil {
			return nil, err
		}
		return (&gcsblob.URLOpener{Client: client}).OpenBucketURL(ctx, u)
	}
	return nil, fmt.Errorf("there is no storage of the kind %q; use file, azblob, s3 or gs", u.Scheme)
}

// bringIn puts the keys of a Secret where the drivers look. A key that is not there any more is taken away.
func bringIn(dir, scheme string) error {
	for _, name := range credentialKeys[scheme] {
		value, err := os.ReadFile(filepath.Join(dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = os.Unsetenv(name)
		case err == nil:
			err = os.Setenv(name, strings.TrimSpace(string(value)))
		}
		if err != nil {
			return fmt.Errorf("reading the key %s of the storage's credentials: %w", name, err)
		}
	}
	return nil
}

// URI is where a key is, without the options, which say how to get there.
func URI(bucket, key string) string {
	u, err := url.Parse(bucket)
	if err != nil {
		return key
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: path.Join("/", u.Path, key)}).String()
}
