// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// IssuerReference names an issuer of cert-manager.
type IssuerReference struct {
	// name of the issuer.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// kind of the issuer: Issuer, in the bot's namespace; ClusterIssuer; or that of another group.
	// +optional
	// +default="Issuer"
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// group of the kind; others than cert-manager's own are external issuers.
	// +optional
	// +default="cert-manager.io"
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group,omitempty"`
}

// CertificateScope says for whom a certificate is issued.
// +kubebuilder:validation:Enum=Bot;Pod
type CertificateScope string

const (
	// ScopeBot: one for all pods of the bot, *.<bot>.<domain>. New pods need not wait for it, and public authorities, which
	// limit how many certificates a domain gets, issue one. Authorities of ACME ask for a DNS challenge then.
	ScopeBot CertificateScope = "Bot"
	// ScopePod: one for each pod's name, or for its address without a domain, which public authorities do not certify.
	ScopePod CertificateScope = "Pod"
)

// Shared says that one certificate of cert-manager is for the whole fleet.
func (c MediaCertificate) Shared() bool { return c.IssuerRef != nil && c.Scope != ScopePod }
