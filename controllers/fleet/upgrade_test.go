// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"encoding/json"
	"testing"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// A revision that changes with the operator replaces every pod of every fleet at its upgrade. These were computed by the
// first version, from what the API server gives today for bots made then.
func TestRevisionsOutliveUpgrades(t *testing.T) {
	for config, want := range map[string]string{
		`{"identity":{"appID":"0efc74f7-41c3-47a4-8775-7259bfef4241","tenantID":"1fdd12d0-4620-44ed-baec-459b611f84b2",
		  "credential":{"clientSecret":{"name":"reception","key":"clientSecret"}},"cloud":"Public"},
		  "signaling":{"host":"bots.contoso.com"},"media":{"hosting":"Application","endpoint":{"type":"ClusterIP","domain":"media.contoso.com",
		  "serviceAnnotations":{"a":"b"}},"certificate":{"selfSigned":{}}},"capacity":{"seats":20}}`: "a3ebfa9f7d",
		`{"identity":{"appID":"0efc74f7-41c3-47a4-8775-7259bfef4241","tenantID":"1fdd12d0-4620-44ed-baec-459b611f84b2",
		  "credential":{"clientSecret":{"name":"reception","key":"clientSecret"}},"cloud":"Custom","custom":{"graphURL":"https://g","loginURL":"https://l",
		  "openIDConfigurationURL":"https://o","issuers":["i"],"caBundle":{"name":"ca","key":"ca.crt"}},"allowedTenants":["1fdd12d0-4620-44ed-baec-459b611f84b3"]},
		  "signaling":{"host":"bots.contoso.com:8443"},"media":{"hosting":"Application","endpoint":{"type":"HostPort","ports":{"from":28550,"to":28749}},
		  "certificate":{"secretName":"media-tls"}},"capacity":{"seats":7},"template":{"spec":{"os":{"name":"linux"}}}}`: "28a4aeebbb",
	} {
		var c v1alpha1.FleetConfig
		if err := json.Unmarshal([]byte(config), &c); err != nil {
			t.Fatal(err)
		}
		if got, err := revisionOf(&c); err != nil || got != want {
			t.Errorf("revision %s, want %s, error %v, of %s", got, want, err, config)
		}
	}
}
