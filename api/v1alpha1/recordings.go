// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Recordings is what becomes of the files that behavior.recording makes in the fleet's pods.
// +kubebuilder:validation:XValidation:rule="has(self.storage) || has(self.maxDisk)",message="set storage or maxDisk, or leave recordings out"
// +kubebuilder:validation:XValidation:rule="!has(self.maxDisk) || quantity(string(self.maxDisk)).compareTo(quantity('1Gi')) >= 0",message="maxDisk must be 1Gi or more: an hour of WAV takes 115 MB"
type Recordings struct {
	// storage is where recordings are moved to when they are finished. Without it they stay in the pod's volume at /recordings,
	// and an emptyDir goes with its Pod.
	// +optional
	Storage *RecordingStorage `json:"storage,omitempty"`

	// maxDisk is the room for a pod's recordings, and the sizeLimit of its emptyDir. From nine tenths of it on nothing begins to
	// be recorded, and what is being recorded ends: Kubernetes evicts a Pod whose emptyDir outgrows its limit, with all its calls.
	// +optional
	MaxDisk *resource.Quantity `json:"maxDisk,omitempty"`
}

// RecordingStorage is a bucket.
// +kubebuilder:validation:XValidation:rule="!self.url.startsWith('file:') || !has(self.credentialsSecretRef)",message="a directory needs no credentials; leave credentialsSecretRef out"
type RecordingStorage struct {
	// url of the bucket: azblob://container?storage_account=name, s3://bucket?region=name, gs://bucket, with the options of the
	// gocloud.dev drivers, or file:///directory of a volume that the template mounts.
	// +required
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^(file:///[A-Za-z0-9._/-]+|(azblob|s3|gs)://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](\?[A-Za-z0-9_]+=[A-Za-z0-9._:/%-]+(&[A-Za-z0-9_]+=[A-Za-z0-9._:/%-]+)*)?)$`
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('file:') || !self.contains('..')",message="the directory must not contain .."
	// +kubebuilder:validation:XValidation:rule="!self.matches('^file:///+recordings(/|$)')",message="the directory must not be below /recordings, where the files come from"
	URL string `json:"url"`

	// prefix of the objects' names, such as voice/reception/; they go on with the recording's name and the file's.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^([A-Za-z0-9_-][A-Za-z0-9._-]*/)*$`
	Prefix string `json:"prefix,omitempty"`

	// credentialsSecretRef names a Secret in the bot's namespace with AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY or
	// AZURE_STORAGE_SAS_TOKEN, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or key.json of a Google
	// service account. Changed keys are picked up without a restart. Without it the account of the pods is used: the
	// workload identity of the ServiceAccount <bot>-mediapod, or the node's.
	// +optional
	CredentialsSecretRef *SecretReference `json:"credentialsSecretRef,omitempty"`

	// keepLocal is how long files stay in the pod after they were stored, as far as there is room.
	// +optional
	// +default="0s"
	KeepLocal Duration `json:"keepLocal,omitempty"`

	// uploadTimeout is how long a pod that is drained or deleted, and has no calls any more, is kept for recordings that are not
	// stored yet. What is not stored by then is lost with an emptyDir, and events tell which recordings those are.
	// +optional
	// +default="1h"
	UploadTimeout Duration `json:"uploadTimeout,omitempty"`
}

// SecretReference names a Secret in the same namespace.
type SecretReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// StoredIn is where the media's recordings are moved to; nil if they stay.
func (m *Media) StoredIn() *RecordingStorage {
	if m.Recordings == nil {
		return nil
	}
	return m.Recordings.Storage
}

// PendingUploads are finished recordings of a pod that are not in the bucket yet.
type PendingUploads struct {
	// recordings that wait; each has one file or more.
	// +required
	// +kubebuilder:validation:Minimum=0
	Recordings int32 `json:"recordings"`

	// since is when the last of them was finished.
	// +optional
	Since metav1.Time `json:"since,omitzero"`

	// names of the first ten.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=128
	Names []string `json:"names,omitempty"`

	// failure is what went wrong last, and what to do about it; absent while nothing does.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Failure string `json:"failure,omitempty"`
}

// RecordingState is how far a file of a recording is.
// +kubebuilder:validation:Enum=Writing;Local;Uploading;Stored;Failed
type RecordingState string

const (
	// RecordingWriting: the call is being recorded.
	RecordingWriting RecordingState = "Writing"
	// RecordingLocal: the file is complete, in the media pod, and goes nowhere.
	RecordingLocal RecordingState = "Local"
	// RecordingUploading: it is on its way to the bucket, or waits for that.
	RecordingUploading RecordingState = "Uploading"
	// RecordingStored: the bucket has it, and gave back what it was given.
	RecordingStored RecordingState = "Stored"
	// RecordingLost: the file could not be made or not be stored; the message says why.
	RecordingLost RecordingState = "Failed"
)
