// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

const (
	// maxRecordingBytes bounds a download. Two minutes, the longest recording, of 16 kHz mono take 4 MiB.
	maxRecordingBytes = 64 << 20
	// recordingTimeout bounds it in time.
	recordingTimeout = 2 * time.Minute
)

// DownloadRecording opens what RecordResponse recorded, at the location and with the token that the notification of its end carries.
// The service drops it soon after the call. It is streamed: close what is returned.
func (c *Client) DownloadRecording(ctx context.Context, location, token string) (io.ReadCloser, error) {
	u, err := url.Parse(location)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil:
		return nil, fmt.Errorf("%s: the location is not an https URL", opDownload.Name) // it is as good as a secret
	case token == "":
		return nil, fmt.Errorf("%s: no access token", opDownload.Name)
	}
	retry := c.retry
	retry.TryTimeout = recordingTimeout // it covers the reading too
	req, err := runtime.NewRequest(policy.WithRetryOptions(named(ctx, opDownload.Name), retry), opDownload.Method, location)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", opDownload.Name, withoutURL(err))
	}
	runtime.SkipBodyDownload(req)
	req.Raw().Header.Set("Authorization", "Bearer "+token)
	// The token is that of the recording, so that the bot's own must not go there.
	pipeline := runtime.NewPipeline("graph", "v1", runtime.PipelineOptions{PerRetry: []policy.Policy{tryPolicy{}}}, c.pipelineOptions(maxRecordingBytes))
	resp, err := pipeline.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", opDownload.Name, withoutURL(err))
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		refused := newError(operation{name: opDownload.Name, method: opDownload.Method}, resp, []string{token, location})
		refused.Path = "the recording's location"
		return nil, refused
	}
	return resp.Body, nil
}
