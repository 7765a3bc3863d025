// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"testing"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// shake has two ends agree on keys, of which a server tells ours; it returns what the client encrypts with.
func shake(t *testing.T, k *keys, profile dtls.SRTPProtectionProfile, suite dtls.CipherSuiteID) *srtp.Context {
	t.Helper()
	certificate, err := selfsign.GenerateSelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	config := func() *dtls.Config {
		return &dtls.Config{
			Certificates: []tls.Certificate{certificate}, InsecureSkipVerify: true, CipherSuites: []dtls.CipherSuiteID{suite},
			SRTPProtectionProfiles: []dtls.SRTPProtectionProfile{profile}, ExtendedMasterSecret: dtls.RequireExtendedMasterSecret,
		}
	}
	var ends [2]*net.UDPConn
	for i := range ends {
		if ends[i], err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			t.Fatal(err)
		}
		defer ends[i].Close()
	}
	ours := config()
	ours.ServerHelloMessageHook, ours.KeyLogWriter, ours.InsecureSkipVerifyHello = k.hello, k, true
	server, err := dtls.Server(ends[0], ends[1].LocalAddr(), ours)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dtls.Client(ends[1], ends[0].LocalAddr(), config())
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.HandshakeContext(context.Background()) }()
	if err := client.HandshakeContext(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	state, _ := client.ConnectionState()
	c := srtp.Config{Profile: srtp.ProtectionProfile(profile)}
	if err := c.ExtractSessionKeysFromDTLS(&state, true); err != nil {
		t.Fatal(err)
	}
	out, err := srtp.CreateContext(c.Keys.LocalMasterKey, c.Keys.LocalMasterSalt, c.Profile)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sealed is an encrypted packet.
func sealed(t testing.TB, out *srtp.Context, ssrc uint32, sequence uint16, payload string) []byte {
	t.Helper()
	p := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: ssrc, SequenceNumber: sequence}, Payload: []byte(payload)}
	plain, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := out.EncryptRTP(nil, plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestKeysAreThoseOfTheHandshake(t *testing.T) {
	for name, tc := range map[string]struct {
		profile dtls.SRTPProtectionProfile
		suite   dtls.CipherSuiteID
		unknown bool
	}{
		"AES-GCM":             {dtls.SRTP_AEAD_AES_128_GCM, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, false},
		"AES-GCM, longer":     {dtls.SRTP_AEAD_AES_256_GCM, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, false},
		"AES-CM":              {dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, false},
		"with another digest": {dtls.SRTP_AEAD_AES_128_GCM, dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, true},
	} {
		t.Run(name, func(t *testing.T) {
			var k keys
			out := shake(t, &k, tc.profile, tc.suite)
			in, err := k.incoming()
			if tc.unknown {
				if err == nil {
					t.Error("there are keys")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			plain, err := in.DecryptRTP(nil, sealed(t, out, 5, 7, "hello"), nil)
			if err != nil || !bytes.HasSuffix(plain, []byte("hello")) {
				t.Errorf("%q, %v", plain, err)
			}
			if k.client != nil || k.master != nil {
				t.Error("the secret is kept")
			}
			if _, err := k.incoming(); err == nil {
				t.Error("there are keys again")
			}
		})
	}
}

func TestWithoutAHandshakeThereAreNoKeys(t *testing.T) {
	for name, line := range map[string]string{
		"nothing":        "",
		"another secret": "CLIENT_TRAFFIC_SECRET_0 00 00\n",
		"no random":      "CLIENT_RANDOM 00 00\n",
		"no hexadecimal": "CLIENT_RANDOM zz zz\n",
	} {
		k := keys{suite: dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, profile: srtp.ProtectionProfileAeadAes128Gcm}
		_, _ = k.Write([]byte(line))
		if _, err := k.incoming(); err == nil {
			t.Errorf("%s: there are keys", name)
		}
	}
}

func TestWhoWantsToServe(t *testing.T) {
	for offer, want := range map[string]bool{
		"v=0\r\na=setup:actpass\r\n": false, "v=0\r\na=setup:active\r\n": false, "v=0\r\n": false,
		"v=0\r\nm=audio\r\na=setup:passive\r\n": true, "v=0\na=setup:passive\n": true,
	} {
		if got := wantsToServe(offer); got != want {
			t.Errorf("%q: %v", offer, got)
		}
	}
}
