// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Refusal is why a bucket did not do as it was asked, for people to read.
type Refusal struct {
	// Denied: the bucket knows who asks, or does not, and says no. It stays so until somebody changes something.
	Denied bool

	text, todo string
	cause      error
}

func (r *Refusal) Error() string {
	if r.todo == "" {
		return r.text
	}
	return r.text + "; " + r.todo
}

func (r *Refusal) Unwrap() error { return r.cause }

// Denied reports whether an error is a refusal for want of permission.
func Denied(err error) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Denied
}

// What people can do about it.
const (
	adviceDenied = "let the account of the media pod, or that of credentialsSecretRef, write and read objects in the bucket, and see that its key has not expired"
	adviceAbsent = "make the bucket, or correct the url of the storage: bucket, account or region"
)

// explained says what a driver's error means and what to do.
func explained(b *blob.Bucket, err error) error {
	if err == nil {
		return nil
	}
	r := &Refusal{text: redacted(err.Error()), cause: err}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return r // it came to no answer
	}
	switch r.Denied = denied(b, err); {
	case r.Denied:
		r.todo = adviceDenied
	case gcerrors.Code(err) == gcerrors.NotFound:
		r.todo = adviceAbsent
	}
	return r
}

// deniedCodes are what the drivers' own codes leave unknown: of S3 for keys that are wrong or were withdrawn, and of the login
// services behind workload identities.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
var deniedCodes = []string{
	"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AccessDenied", "AuthorizationFailure", "AuthorizationPermissionMismatch",
	"invalid_grant", "invalid_client", "failed to retrieve credentials", "DefaultAzureCredential", "could not find default credentials",
}

func denied(b *blob.Bucket, err error) bool {
	if gcerrors.Code(err) == gcerrors.PermissionDenied {
		return true
	}
	var azure *azcore.ResponseError
	if b != nil && b.ErrorAs(err, &azure) && (azure.StatusCode == http.StatusForbidden || azure.StatusCode == http.StatusUnauthorized) {
		return true
	}
	for _, code := range deniedCodes {
		if strings.Contains(err.Error(), code) {
			return true
		}
	}
	return false
}

// query is where URLs carry signatures: of shared access signatures and of requests that were signed beforehand.
var query = regexp.MustCompile(`\?[^\s"']+`)

// redacted is a text without the queries of its URLs, in one line.
func redacted(text string) string {
	return strings.Join(strings.Fields(query.ReplaceAllString(text, "?…")), " ")
}
