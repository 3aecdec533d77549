package media

import (
	"fmt"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

var profiles = map[string]srtp.ProtectionProfile{
	"AEAD_AES_256_GCM":        srtp.ProtectionProfileAeadAes256Gcm,
	"AEAD_AES_128_GCM":        srtp.ProtectionProfileAeadAes128Gcm,
	"AES_256_CM_HMAC_SHA1_80": srtp.ProtectionProfileAes256CmHmacSha1_80,
	"AES_CM_128_HMAC_SHA1_80": srtp.ProtectionProfileAes128CmHmacSha1_80,
	"AES_256_CM_HMAC_SHA1_32": srtp.ProtectionProfileAes256CmHmacSha1_32,
	"AES_CM_128_HMAC_SHA1_32": srtp.ProtectionProfileAes128CmHmacSha1_32,
}

// sealRoom is what enciphering adds at most: a tag, and SRTCP's index.
const sealRoom = 16 + 4

// cipher is one direction of a leg's SRTP and SRTCP (RFC 3711). It has its key
// for as long as that is not changed: its packets are counted on. A nil one
// passes packets as they are.
type cipher struct {
	of      crypto
	context *srtp.Context
	header  rtp.Header // for the library, which would make one a packet
	buffer  []byte
}

// rekey returns a cipher of a key: was itself if it has that; nil for none.
func rekey(was *cipher, of crypto) (*cipher, error) {
	switch {
	case of.key == "":
		return nil, nil
	case was != nil && was.of.suite == of.suite && was.of.key == of.key && was.of.mki == of.mki:
		return was, nil
	}
	key := []byte(of.key)
	context, err := srtp.CreateContext(key[:of.suite.key], key[of.suite.key:], profiles[of.suite.name],
		srtp.SRTPReplayProtection(window), srtp.SRTCPReplayProtection(window), srtp.MasterKeyIndicator([]byte(of.mki)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadCrypto, err)
	}
	return &cipher{of: of, context: context, buffer: make([]byte, 0, maxPacket+sealRoom+len(of.mki))}, nil
}

// open deciphers a packet; ok is false for one that is not of the key, or came
// before. The result is the cipher's until the next call.
func (c *cipher) open(b []byte) (clear []byte, ok bool) {
	if c == nil {
		return b, true
	}
	clear, err := c.context.DecryptRTP(c.buffer, b, &c.header)
	return clear, err == nil
}

// seal enciphers a packet of ours; likewise.
func (c *cipher) seal(b []byte) ([]byte, error) {
	if c == nil {
		return b, nil
	}
	return c.context.EncryptRTP(c.buffer, b, &c.header)
}

// openReport and sealReport are the same for RTCP.
func (c *cipher) openReport(b []byte) (clear []byte, ok bool) {
	if c == nil {
		return b, true
	}
	clear, err := c.context.DecryptRTCP(c.buffer, b, nil)
	return clear, err == nil
}

func (c *cipher) sealReport(b []byte) ([]byte, error) {
	if c == nil {
		return b, nil
	}
	return c.context.EncryptRTCP(c.buffer, b, nil)
}
