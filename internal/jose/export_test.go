package jose

import "crypto"

// SignRaw signs any text: tests need headers that Sign would never write.
func SignRaw(alg Alg, signer crypto.Signer, input string) (string, error) {
	k := &PrivateKey{signer: signer, public: PublicKey{Alg: alg}}
	sig, err := k.signature([]byte(input))
	return input + "." + b64.EncodeToString(sig), err
}
